/* The one table of the user's: coodie_bench.readings, whose rows follow from part and id. */
#ifndef ROWS_H
#define ROWS_H

#include "buffer.h"

#define KEYSPACE "coodie_bench"
#define TABLE "readings"

enum { NAME_SIZE = 16, ROW_SIZE = 5 * 4 + 4 + 4 + NAME_SIZE + 8 + 16 };

/* Writes `count` rows, as a RESULT has them, from `first` on. */
void rows_write(struct buffer *buffer, uint32_t part, uint32_t first, uint32_t count);

/* Tells whether five values, as a request has them, are the row that their part and id make. */
bool row_is_right(const uint8_t *values, size_t size);

#endif
