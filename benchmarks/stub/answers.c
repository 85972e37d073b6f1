#include "answers.h"

#include "rows.h"
#include "statements.h"

enum opcode {
    ERROR = 0x00, STARTUP = 0x01, READY = 0x02, OPTIONS = 0x05, SUPPORTED = 0x06, QUERY = 0x07, RESULT = 0x08,
    PREPARE = 0x09, EXECUTE = 0x0A, REGISTER = 0x0B, BATCH = 0x0D
};
enum result { VOID = 1, ROWS = 2, SET_KEYSPACE = 3, PREPARED = 4 };
enum error { PROTOCOL = 0x000A, INVALID = 0x2200, UNPREPARED = 0x2500 };
enum { GLOBAL_TABLE = 1, MORE_PAGES = 2, NO_METADATA = 4, METADATA_CHANGED = 8 };

static const char STATE_MARK[] = "stub";
enum { STATE_SIZE = 8 };

int highest_version = 5;

/* Values and options of QUERY and EXECUTE. */
struct parameters {
    const uint8_t *values;
    size_t values_size;
    int value_count;
    bool skip_metadata;
    uint32_t page_size;
    uint32_t first;
    const char *wrong;
};

static size_t begin(struct buffer *out, int version, uint16_t stream, enum opcode opcode) {
    size_t start = out->size;
    uint8_t *at = buffer_room(out, HEADER_SIZE);
    at[0] = (uint8_t)(0x80 | version);
    at[1] = 0;
    set_u16(at + 2, stream);
    at[4] = (uint8_t)opcode;
    out->size += HEADER_SIZE;
    return start;
}

static void finish(struct buffer *out, size_t start) {
    set_u32(out->data + start + 5, (uint32_t)(out->size - start - HEADER_SIZE));
}

static void put_error(struct buffer *out, size_t start, enum error code, const char *message) {
    out->data[start + 4] = ERROR;
    out->size = start + HEADER_SIZE;
    put_u32(out, code);
    put_string(out, message);
}

static void put_supported(struct buffer *out) {
    put_u16(out, 3);
    put_string(out, "CQL_VERSION");
    put_u16(out, 1);
    put_string(out, "3.4.7");
    put_string(out, "COMPRESSION");
    put_u16(out, 0);
    put_string(out, "PROTOCOL_VERSIONS");
    put_u16(out, highest_version == 5 ? 2 : 1);
    put_string(out, "4/v4");
    if (highest_version == 5)
        put_string(out, "5/v5");
}

/* Skips values, and tells how many bytes they take. */
static size_t skip_values(struct reader *in, int count) {
    const uint8_t *begun = in->at;
    while (count-- && !in->bad) {
        int32_t size = (int32_t)take_u32(in);
        if (size > 0)
            take(in, (size_t)size);
    }
    return (size_t)(in->at - begun);
}

static struct parameters take_parameters(struct reader *in, int version) {
    struct parameters got = {0};
    take_u16(in); /* consistency */
    uint32_t flags = version == 5 ? take_u32(in) : take_u8(in);
    got.skip_metadata = flags & 0x02;
    if (flags & 0x40)
        got.wrong = "the stub takes values by position";
    if (flags & 0x01) {
        got.value_count = take_u16(in);
        got.values = in->at;
        got.values_size = skip_values(in, got.value_count);
    }
    if (flags & 0x04)
        got.page_size = take_u32(in);
    if (flags & 0x08) {
        uint32_t size = take_u32(in);
        const uint8_t *state = take(in, size <= STATE_SIZE ? size : STATE_SIZE);
        if (size == STATE_SIZE && !memcmp(state, STATE_MARK, 4)) {
            struct reader reader = {state + 4, state + STATE_SIZE, false};
            got.first = take_u32(&reader);
        } else {
            got.wrong = "not a paging state of the stub's";
        }
    }
    return got; /* serial consistency, timestamp, keyspace and so on change nothing here */
}

static void put_columns(struct buffer *out, const struct statement *statement, uint32_t flags, uint32_t next) {
    bool with_columns = !(flags & NO_METADATA) && statement->column_count;
    put_u32(out, flags | (next ? MORE_PAGES : 0) | (with_columns ? GLOBAL_TABLE : NO_METADATA));
    put_u32(out, (uint32_t)statement->column_count);
    if (next) {
        put_u32(out, STATE_SIZE);
        put_bytes(out, STATE_MARK, 4);
        put_u32(out, next);
    }
    if (flags & METADATA_CHANGED) {
        put_u16(out, ID_SIZE);
        put_bytes(out, statement->id, ID_SIZE);
    }
    if (with_columns)
        put_bytes(out, statement->result.data, statement->result.size);
}

static void put_system_rows(struct buffer *out, const struct statement *statement) {
    const struct table *table = statement->table;
    size_t at = out->size;
    uint32_t count = 0;
    put_u32(out, 0);
    for (int row = 0; row < system_rows(table); row++) {
        const char *value = statement->filter_column < 0 ? NULL : system_value(table, row, statement->filter_column);
        if (value && strcmp(value, statement->filter))
            continue;
        count++;
        for (int number = 0; number < statement->column_count; number++)
            system_put_value(out, table, row, statement->columns[number]);
    }
    set_u32(out->data + at, count);
}

/* Counts the rows before a token, which are distributed evenly; the offset is the token's distance from the first. */
static uint32_t rows_before(unsigned __int128 offset, uint32_t all) {
    return (uint32_t)(offset * all >> 64);
}

/* Takes a bigint; returns its distance from the smallest one. */
static uint64_t take_offset(struct reader *in) {
    take_u32(in);
    uint64_t high = take_u32(in);
    return (high << 32 | take_u32(in)) ^ (uint64_t)1 << 63;
}

static void put_readings(struct buffer *out, const struct statement *statement, const struct parameters *with,
                         uint32_t flags) {
    struct reader values = {with->values, with->values + with->values_size, false};
    uint32_t first = with->first, end = statement->limit, next = 0, part = 1;
    if (statement->kind == SELECT_TOKENS) {
        uint32_t begin = rows_before(take_offset(&values), statement->limit);
        end = rows_before((unsigned __int128)take_offset(&values) + 1, statement->limit);
        first = first ? first : begin; /* a later page starts with its row */
    } else {
        take_u32(&values);
        part = take_u32(&values);
    }
    if (statement->kind == SELECT_ROW) {
        take_u32(&values);
        first = take_u32(&values);
        end = first + 1;
    }
    uint32_t count = first < end ? end - first : 0;
    if (statement->kind != SELECT_ROW && with->page_size && count > with->page_size) {
        count = with->page_size;
        next = first + count;
    }
    put_columns(out, statement, flags, next);
    put_u32(out, count);
    rows_write(out, part, first, count);
}

/* Answers QUERY and EXECUTE, whose statement is known by now. */
static void run(struct buffer *out, size_t start, const struct statement *statement, const struct parameters *with,
                bool changed) {
    if (with->wrong || with->value_count != statement->marker_count) {
        put_error(out, start, INVALID, with->wrong ? with->wrong : "not as many values as markers");
    } else if (statement->kind == INSERT) {
        if (row_is_right(with->values, with->values_size))
            put_u32(out, VOID);
        else
            put_error(out, start, INVALID, "the inserted row isn't the one that its part and id make");
    } else if (statement->kind == USE) {
        put_u32(out, SET_KEYSPACE);
        put_string(out, KEYSPACE);
    } else {
        uint32_t flags = changed ? METADATA_CHANGED : with->skip_metadata ? NO_METADATA : 0;
        put_u32(out, ROWS);
        if (statement->kind == SELECT_SYSTEM) {
            put_columns(out, statement, flags, 0);
            put_system_rows(out, statement);
        } else if (statement->kind == SELECT_ROW && with->values_size != 16) {
            put_error(out, start, INVALID, "part and id are ints");
        } else if (statement->kind == SELECT_TOKENS && with->values_size != 24) {
            put_error(out, start, INVALID, "tokens are bigints");
        } else {
            put_readings(out, statement, with, flags);
        }
    }
}

static void query(struct buffer *out, size_t start, struct reader *in, int version) {
    const char *why = NULL;
    uint32_t size = take_u32(in);
    const char *text = (const char *)take(in, size);
    const struct statement *statement = in->bad ? NULL : statement_of(text, size, &why);
    struct parameters with = take_parameters(in, version);
    if (!statement)
        put_error(out, start, INVALID, why ? why : "a broken QUERY");
    else
        run(out, start, statement, &with, false);
}

static void prepare(struct buffer *out, size_t start, struct reader *in, int version) {
    const char *why = NULL;
    uint32_t size = take_u32(in);
    const char *text = (const char *)take(in, size);
    const struct statement *statement = in->bad ? NULL : statement_of(text, size, &why);
    if (!statement) {
        put_error(out, start, INVALID, why ? why : "a broken PREPARE");
        return;
    }
    put_u32(out, PREPARED);
    for (int times = version == 5 ? 2 : 1; times--;) { /* in v5 the result metadata has an id, too */
        put_u16(out, ID_SIZE);
        put_bytes(out, statement->id, ID_SIZE);
    }
    put_bytes(out, statement->markers.data, statement->markers.size);
    put_columns(out, statement, 0, 0);
}

/* Takes a [short bytes] that is a statement's id; where it's unknown, writes UNPREPARED. */
static const struct statement *take_statement(struct buffer *out, size_t start, struct reader *in) {
    uint16_t size = take_u16(in);
    const uint8_t *id = take(in, size);
    const struct statement *statement = in->bad ? NULL : statement_by_id(id, size);
    if (!statement) {
        put_error(out, start, UNPREPARED, "no such prepared statement");
        put_u16(out, in->bad ? 0 : size);
        put_bytes(out, id, in->bad ? 0 : size);
    }
    return statement;
}

static void execute(struct buffer *out, size_t start, struct reader *in, int version) {
    const struct statement *statement = take_statement(out, start, in);
    if (!statement)
        return;
    bool changed = false;
    if (version == 5) {
        uint16_t size = take_u16(in);
        const uint8_t *id = take(in, size);
        changed = statement->column_count && (size != ID_SIZE || memcmp(id, statement->id, ID_SIZE));
    }
    struct parameters with = take_parameters(in, version);
    if (in->bad)
        put_error(out, start, PROTOCOL, "a broken EXECUTE");
    else
        run(out, start, statement, &with, changed);
}

static void batch(struct buffer *out, size_t start, struct reader *in) {
    take_u8(in); /* its type */
    for (uint16_t count = take_u16(in); count--;) {
        const struct statement *statement;
        if (take_u8(in)) {
            statement = take_statement(out, start, in);
        } else {
            const char *why = NULL;
            uint32_t size = take_u32(in);
            const char *text = (const char *)take(in, size);
            statement = in->bad ? NULL : statement_of(text, size, &why);
            if (!statement)
                put_error(out, start, INVALID, why ? why : "a broken BATCH");
        }
        if (!statement)
            return;
        int value_count = take_u16(in);
        const uint8_t *values = in->at;
        size_t size = skip_values(in, value_count);
        if (in->bad || statement->kind != INSERT || value_count != 5 || !row_is_right(values, size)) {
            put_error(out, start, INVALID, "a batch of rows, but not those that their part and id make");
            return;
        }
    }
    put_u32(out, VOID);
}

bool answer(struct buffer *out, const uint8_t *frame) {
    struct reader in = {frame, frame + HEADER_SIZE, false};
    int version = take_u8(&in);
    uint8_t flags = take_u8(&in);
    uint16_t stream = take_u16(&in);
    enum opcode opcode = take_u8(&in);
    in.end = frame + HEADER_SIZE + take_u32(&in);
    bool known = version >= LOWEST_VERSION && version <= highest_version;
    size_t start = begin(out, known ? version : highest_version, stream, RESULT);
    if (!known) {
        char text[128];
        snprintf(text, sizeof text,
                 "Invalid or unsupported protocol version (%d); the lowest supported version is %d and the greatest is %d",
                 version, LOWEST_VERSION, highest_version);
        put_error(out, start, PROTOCOL, text);
    } else if (flags & 0x03) {
        put_error(out, start, PROTOCOL, "the stub neither compresses nor traces");
    } else {
        if (flags & 0x04) /* a custom payload, which nobody reads */
            for (uint16_t count = take_u16(&in); count-- && !in.bad;) {
                take(&in, take_u16(&in));
                skip_values(&in, 1);
            }
        switch (opcode) {
        case STARTUP:
        case REGISTER:
            out->data[start + 4] = READY;
            break;
        case OPTIONS:
            out->data[start + 4] = SUPPORTED;
            put_supported(out);
            break;
        case QUERY:
            query(out, start, &in, version);
            break;
        case PREPARE:
            prepare(out, start, &in, version);
            break;
        case EXECUTE:
            execute(out, start, &in, version);
            break;
        case BATCH:
            batch(out, start, &in);
            break;
        default:
            put_error(out, start, PROTOCOL, "the stub knows no such opcode");
        }
    }
    finish(out, start);
    return known && opcode == STARTUP && out->data[start + 4] == READY;
}
