/* The two checksums of protocol v5's segments. */
#ifndef CHECKSUMS_H
#define CHECKSUMS_H

#include <stddef.h>
#include <stdint.h>

/* Makes the tables; once, before the others. */
void checksums_prepare(void);

/* CRC24 of a segment's header: three bytes. */
uint32_t crc24(const uint8_t *header);

/* CRC32 of a segment's payload, begun as the protocol says. */
uint32_t crc32(const uint8_t *payload, size_t size);

#endif
