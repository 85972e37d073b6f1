/* Requests in, answers out: the messages of the native protocol, versions 4 and 5. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "buffer.h"

enum { HEADER_SIZE = 9, LOWEST_VERSION = 4 };

/* The highest protocol version that is spoken: 4 or 5. */
extern int highest_version;

/* Answers one whole frame; tells whether it was a STARTUP that went well. */
bool answer(struct buffer *out, const uint8_t *frame);

#endif
