/* The tables that drivers read when they connect: the node, its peers, the schema. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include "buffer.h"

enum { MOST_COLUMNS = 32 };

/* The node that is asked, counted from 0; how many there are; and the port of them all. */
extern int node, node_count, node_port;

struct table {
    const char *keyspace, *name;
    /* "name type, name type, …" */
    const char *columns;
    /* Values as text, NULL for null; one row after the other. */
    const char *const *values;
    int row_count;
};

/* Finds a table, or returns NULL. */
const struct table *system_table(const char *keyspace, const char *name);

/* Finds a column's number by its name, or returns -1. */
int system_column(const struct table *table, const char *name);

/* Counts the rows, as the node that is asked has them. */
int system_rows(const struct table *table);

/* Counts the columns. */
int system_width(const struct table *table);

/* Writes a column's name and type, as metadata has them. */
void system_put_column(struct buffer *buffer, const struct table *table, int column);

/* Writes one value, as a row has it. */
void system_put_value(struct buffer *buffer, const struct table *table, int row, int column);

/* A value as text, or NULL. */
const char *system_value(const struct table *table, int row, int column);

/* Writes the type that CQL calls so: a scalar, or a collection of scalars. */
void put_type(struct buffer *buffer, const char *type);

#endif
