#include "statements.h"

#include <ctype.h>
#include <strings.h>

#include "rows.h"

#define READ "select part, id, name, score, ref from " KEYSPACE "." TABLE " where part = ?"
#define WRITE "insert into " KEYSPACE "." TABLE " (part, id, name, score, ref) values (?, ?, ?, ?, ?)"
#define TOKENS "select * from " KEYSPACE "." TABLE " where id < %u and token(part) >= ? and token(part) <= ? "

static const char *const COLUMNS[] = {"part", "id", "name", "score", "ref"};
static const char *const TYPES[] = {"int", "int", "text", "double", "uuid"};

enum { MOST_STATEMENTS = 1024, LONGEST = 2048 };
static struct statement *all[MOST_STATEMENTS];
static uint32_t all_count;

/* Brings a text into one form: lower case, single blanks, no semicolon. */
static void normalise(char *to, const char *text, size_t size) {
    bool blank = true;
    for (; size--; text++) {
        if (isspace((unsigned char)*text)) {
            if (!blank)
                *to++ = ' ';
            blank = true;
        } else {
            *to++ = (char)tolower((unsigned char)*text);
            blank = false;
        }
    }
    *to = 0;
    while (to[-1] == ' ' || to[-1] == ';')
        *--to = 0;
}

/* Reads "select a, b from keyspace.table where …" of a table that drivers read when they connect. */
static const char *parse_system(struct statement *statement, const char *text) {
    static char why[256];
    char columns[LONGEST], keyspace[64], name[64], column[64];
    if (sscanf(text, "select %2047[^?'] ", columns) != 1 || !strstr(columns, " from ") || strstr(columns, KEYSPACE "."))
        return "the stub knows no such statement; benchmarks/stub/statements.c lists what it knows";
    const char *where = strstr(text, " where ");
    *strstr(columns, " from ") = 0;
    if (sscanf(strstr(text, " from ") + 6, "%63[a-z_0-9].%63[a-z_0-9]", keyspace, name) != 2)
        return "the stub wants keyspace.table";
    statement->kind = SELECT_SYSTEM;
    statement->table = system_table(keyspace, name);
    if (!statement->table) {
        snprintf(why, sizeof why, "table %s.%s does not exist", keyspace, name);
        return why;
    }
    for (char *next = strtok(columns, ", "); next; next = strtok(NULL, ", ")) {
        if (!strcmp(next, "*")) {
            statement->column_count = system_width(statement->table);
            for (int number = 0; number < statement->column_count; number++)
                statement->columns[number] = number;
            break;
        }
        int number = system_column(statement->table, next);
        if (number < 0 || statement->column_count == MOST_COLUMNS) {
            snprintf(why, sizeof why, "Undefined column name %s in table %s.%s", next, keyspace, name);
            return why;
        }
        statement->columns[statement->column_count++] = number;
    }
    statement->filter_column = -1;
    if (where && sscanf(where, " where %63[a-z_] = '%63[^']'", column, statement->filter) == 2)
        statement->filter_column = system_column(statement->table, column);
    for (; where && *where; where++) /* whose values don't filter: there is one table */
        statement->marker_count += *where == '?';
    return NULL;
}

/* Says what a text asks for; returns why it can't, or NULL. */
static const char *parse(struct statement *statement, const char *text) {
    int end = 0;
    if (!strcmp(text, WRITE)) {
        statement->kind = INSERT;
        statement->marker_count = 5;
    } else if (!strcmp(text, READ " and id = ?")) {
        statement->kind = SELECT_ROW;
        statement->marker_count = 2;
    } else if (sscanf(text, READ " limit %u%n", &statement->limit, &end) == 1 && !text[end]) {
        statement->kind = SELECT_ROWS;
        statement->marker_count = 1;
    } else if (sscanf(text, TOKENS "allow filtering%n", &statement->limit, &end) == 1 && !text[end]) {
        statement->kind = SELECT_TOKENS;
        statement->marker_count = 2;
    } else if (!strcmp(text, "use " KEYSPACE) || !strcmp(text, "use \"" KEYSPACE "\"")) {
        statement->kind = USE;
    } else {
        return parse_system(statement, text);
    }
    return NULL;
}

static void write_metadata(struct statement *statement) {
    struct buffer *result = &statement->result, *markers = &statement->markers;
    if (statement->kind == SELECT_SYSTEM) {
        put_string(result, statement->table->keyspace);
        put_string(result, statement->table->name);
        for (int number = 0; number < statement->column_count; number++)
            system_put_column(result, statement->table, statement->columns[number]);
    } else if (statement->kind != USE) {
        statement->column_count = statement->kind == INSERT ? 0 : 5;
        put_string(result, KEYSPACE);
        put_string(result, TABLE);
        for (int number = 0; number < statement->column_count; number++) {
            put_string(result, COLUMNS[number]);
            put_type(result, TYPES[number]);
        }
    }
    put_u32(markers, statement->marker_count > 0); /* all of one table */
    put_u32(markers, (uint32_t)statement->marker_count);
    bool is_routed = statement->marker_count && statement->kind != SELECT_SYSTEM && statement->kind != SELECT_TOKENS;
    put_u32(markers, is_routed); /* the first is the partition key */
    if (is_routed)
        put_u16(markers, 0);
    if (statement->marker_count) {
        put_string(markers, KEYSPACE);
        put_string(markers, TABLE);
    }
    for (int number = 0; number < statement->marker_count; number++) {
        put_string(markers, COLUMNS[number]);
        put_type(markers, statement->kind == SELECT_SYSTEM   ? "text"
                          : statement->kind == SELECT_TOKENS ? "bigint"
                                                             : TYPES[number]);
    }
}

const struct statement *statement_of(const char *text, size_t size, const char **why) {
    for (uint32_t number = 0; number < all_count; number++)
        if (strlen(all[number]->text) == size && !memcmp(all[number]->text, text, size))
            return all[number];
    if (size == 0 || size >= LONGEST || all_count == MOST_STATEMENTS) {
        *why = "an empty statement, one too long, or one too many";
        return NULL;
    }
    char normalised[LONGEST];
    normalise(normalised, text, size);
    struct statement *statement = calloc(1, sizeof *statement);
    *why = parse(statement, normalised);
    if (*why) {
        free(statement);
        return NULL;
    }
    statement->text = strndup(text, size);
    memcpy(statement->id, "coodie-stub-", 12);
    set_u32(statement->id + 12, all_count);
    write_metadata(statement);
    return all[all_count++] = statement;
}

const struct statement *statement_by_id(const uint8_t *id, size_t size) {
    if (size != ID_SIZE || memcmp(id, "coodie-stub-", 12))
        return NULL;
    struct reader reader = {id + 12, id + ID_SIZE, false};
    uint32_t number = take_u32(&reader);
    return number < all_count ? all[number] : NULL;
}
