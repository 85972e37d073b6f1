/* Statements: what a text asks for, and the parts of answers that are the same each time. */
#ifndef STATEMENTS_H
#define STATEMENTS_H

#include "buffer.h"
#include "system.h"

enum kind { INSERT, SELECT_ROW, SELECT_ROWS, SELECT_TOKENS, SELECT_SYSTEM, USE };

enum { ID_SIZE = 16 };

struct statement {
    enum kind kind;
    char *text;
    uint8_t id[ID_SIZE];
    /* Of values that it takes. */
    int marker_count;
    /* SELECT_ROWS: how many rows at most; SELECT_TOKENS: how many rows the whole ring has. */
    uint32_t limit;
    /* SELECT_SYSTEM: the table, the columns, and for which rows. */
    const struct table *table;
    int columns[MOST_COLUMNS], column_count;
    int filter_column;
    char filter[64];
    /* Metadata: the columns of its result with keyspace and table, and all of the markers'. */
    struct buffer result, markers;
};

/* Finds what a text asks for; where it's unknown, returns NULL and says why. */
const struct statement *statement_of(const char *text, size_t size, const char **why);

/* Finds a statement by its id, or returns NULL. */
const struct statement *statement_by_id(const uint8_t *id, size_t size);

#endif
