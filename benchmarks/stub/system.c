#include "system.h"

#include <arpa/inet.h>

#include "rows.h"

/* In the place of a number of rows: one for each node but the one that is asked. */
enum { PER_PEER = -1, TOKENS = 8 };

int node, node_count = 1, node_port;

static const struct {
    const char *name;
    uint16_t code;
} SCALARS[] = {
    {"ascii", 0x01},     {"bigint", 0x02},   {"blob", 0x03}, {"boolean", 0x04}, {"double", 0x07}, {"int", 0x09},
    {"timestamp", 0x0B}, {"uuid", 0x0C},     {"text", 0x0D}, {"inet", 0x10},
};

static const char LOCAL[] =
    "key text, bootstrapped text, broadcast_address inet, broadcast_port int, cluster_name text, cql_version text, "
    "data_center text, gossip_generation int, host_id uuid, listen_address inet, listen_port int, "
    "native_protocol_version text, partitioner text, rack text, release_version text, rpc_address inet, rpc_port int, "
    "schema_version uuid, tokens set<text>";

static const char *const LOCAL_VALUES[] = {
    "local", "COMPLETED", "@address", "7000", "coodie stub", "3.4.7",
    "datacenter1", "1", "@id", "@address", "7000",
    "5", "org.apache.cassandra.dht.Murmur3Partitioner", "rack1", "5.0.2", "@address", "@port",
    "00000000-0000-4000-8000-000000000002", "@tokens"};

static const char PEERS[] =
    "peer inet, data_center text, host_id uuid, preferred_ip inet, rack text, release_version text, rpc_address inet, "
    "schema_version uuid, tokens set<text>";

static const char PEERS_V2[] =
    "peer inet, peer_port int, data_center text, host_id uuid, native_address inet, native_port int, "
    "preferred_ip inet, preferred_port int, rack text, release_version text, schema_version uuid, tokens set<text>";

static const char *const PEERS_VALUES[] = {
    "@address", "datacenter1", "@id", NULL, "rack1", "5.0.2", "@address", "00000000-0000-4000-8000-000000000002",
    "@tokens"};

static const char *const PEERS_V2_VALUES[] = {
    "@address", "7000", "datacenter1", "@id", "@address", "@port", NULL, NULL, "rack1", "5.0.2",
    "00000000-0000-4000-8000-000000000002", "@tokens"};

static const char *const KEYSPACES_VALUES[] = {
    KEYSPACE, "true", "@replication"};

static const char TABLES[] =
    "keyspace_name text, table_name text, additional_write_policy text, bloom_filter_fp_chance double, "
    "caching map<text,text>, cdc boolean, comment text, compaction map<text,text>, compression map<text,text>, "
    "crc_check_chance double, dclocal_read_repair_chance double, default_time_to_live int, extensions map<text,blob>, "
    "flags set<text>, gc_grace_seconds int, id uuid, max_index_interval int, memtable text, "
    "memtable_flush_period_in_ms int, min_index_interval int, read_repair text, read_repair_chance double, "
    "speculative_retry text";

static const char *const TABLES_VALUES[] = {
    KEYSPACE, TABLE, "99p", "0.01", "keys=ALL,rows_per_partition=NONE", "false", "",
    "class=org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy",
    "class=org.apache.cassandra.io.compress.LZ4Compressor", "1", "0", "0", NULL,
    "compound", "864000", "00000000-0000-4000-8000-000000000003", "2048", NULL, "0", "128", "BLOCKING", "0", "99p"};

static const char COLUMNS[] =
    "keyspace_name text, table_name text, column_name text, clustering_order text, kind text, position int, type text";

static const char *const COLUMNS_VALUES[] = {
    KEYSPACE, TABLE, "id", "asc", "clustering", "0", "int",
    KEYSPACE, TABLE, "name", "none", "regular", "-1", "text",
    KEYSPACE, TABLE, "part", "none", "partition_key", "0", "int",
    KEYSPACE, TABLE, "ref", "none", "regular", "-1", "uuid",
    KEYSPACE, TABLE, "score", "none", "regular", "-1", "double"};

static const struct table KNOWN[] = {
    {"system", "local", LOCAL, LOCAL_VALUES, 1},
    {"system", "peers", PEERS, PEERS_VALUES, PER_PEER},
    {"system", "peers_v2", PEERS_V2, PEERS_V2_VALUES, PER_PEER},
    {"system_schema", "keyspaces", "keyspace_name text, durable_writes boolean, replication map<text,text>",
     KEYSPACES_VALUES, 1},
    {"system_schema", "tables", TABLES, TABLES_VALUES, 1},
    {"system_schema", "columns", COLUMNS, COLUMNS_VALUES, 5},
    {"system_schema", "dropped_columns", "keyspace_name text, table_name text, column_name text, type text", NULL, 0},
    {"system_schema", "types", "keyspace_name text, type_name text, field_names list<text>, field_types list<text>",
     NULL, 0},
    {"system_schema", "functions",
     "keyspace_name text, function_name text, argument_types list<text>, argument_names list<text>, body text, "
     "called_on_null_input boolean, language text, return_type text", NULL, 0},
    {"system_schema", "aggregates",
     "keyspace_name text, aggregate_name text, argument_types list<text>, final_func text, initcond text, "
     "return_type text, state_func text, state_type text", NULL, 0},
    {"system_schema", "triggers",
     "keyspace_name text, table_name text, trigger_name text, options map<text,text>", NULL, 0},
    {"system_schema", "indexes",
     "keyspace_name text, table_name text, index_name text, kind text, options map<text,text>", NULL, 0},
    {"system_schema", "views",
     "keyspace_name text, view_name text, base_table_id uuid, base_table_name text, id uuid, "
     "include_all_columns boolean, where_clause text", NULL, 0},
    {"system_virtual_schema", "keyspaces", "keyspace_name text", NULL, 0},
    {"system_virtual_schema", "tables", "keyspace_name text, table_name text, comment text", NULL, 0},
    {"system_virtual_schema", "columns", COLUMNS, NULL, 0},
};

const struct table *system_table(const char *keyspace, const char *name) {
    for (size_t number = 0; number < sizeof KNOWN / sizeof *KNOWN; number++)
        if (!strcmp(KNOWN[number].keyspace, keyspace) && !strcmp(KNOWN[number].name, name))
            return &KNOWN[number];
    return NULL;
}

/* Copies a column's name and type out of "name type, name type"; false behind the last one. */
static bool column_at(const struct table *table, int column, char name[64], char type[64]) {
    const char *at = table->columns;
    while (column--) {
        at = strstr(at, ", ");
        if (!at)
            return false;
        at += 2;
    }
    if (sscanf(at, "%63s %63s", name, type) != 2)
        return false;
    size_t last = strlen(type) - 1;
    if (type[last] == ',')
        type[last] = 0;
    return true;
}

int system_column(const struct table *table, const char *wanted) {
    char name[64], type[64];
    for (int column = 0; column_at(table, column, name, type); column++)
        if (!strcmp(name, wanted))
            return column;
    return -1;
}

int system_width(const struct table *table) {
    char name[64], type[64];
    int width = 0;
    while (column_at(table, width, name, type))
        width++;
    return width;
}

/* Splits "map<text,blob>" into what its elements are; the code of the collection, or 0 for a scalar. */
static uint16_t collection(const char *type, char first[16], char second[16]) {
    if (sscanf(type, "list<%15[a-z]>", first) == 1)
        return 0x20;
    if (sscanf(type, "map<%15[a-z],%15[a-z]>", first, second) == 2)
        return 0x21;
    if (sscanf(type, "set<%15[a-z]>", first) == 1)
        return 0x22;
    return 0;
}

void put_type(struct buffer *buffer, const char *type) {
    char first[16], second[16];
    uint16_t code = collection(type, first, second);
    if (code) {
        put_u16(buffer, code);
        put_type(buffer, first);
        if (code == 0x21)
            put_type(buffer, second);
        return;
    }
    for (size_t number = 0; number < sizeof SCALARS / sizeof *SCALARS; number++)
        if (!strcmp(SCALARS[number].name, type)) {
            put_u16(buffer, SCALARS[number].code);
            return;
        }
    fprintf(stderr, "stub: no type %s\n", type);
    abort();
}

void system_put_column(struct buffer *buffer, const struct table *table, int column) {
    char name[64], type[64];
    column_at(table, column, name, type);
    put_string(buffer, name);
    put_type(buffer, type);
}

int system_rows(const struct table *table) {
    return table->row_count == PER_PEER ? node_count - 1 : table->row_count;
}

/* A value that differs from node to node, by its name; the next call writes over it. */
static const char *value_of_node(const char *name, int node) {
    static char text[512];
    if (!strcmp(name, "@address"))
        snprintf(text, sizeof text, "127.0.0.%d", node + 1);
    else if (!strcmp(name, "@id"))
        snprintf(text, sizeof text, "00000000-0000-4000-8000-0000000001%02d", node);
    else if (!strcmp(name, "@port"))
        snprintf(text, sizeof text, "%d", node_port);
    else if (!strcmp(name, "@replication"))
        snprintf(text, sizeof text, "class=org.apache.cassandra.locator.SimpleStrategy,replication_factor=%d", node_count);
    else /* each node has every so manieth of the ring's tokens, which are as far from each other */
        for (int number = node, at = 0, all = node_count * TOKENS; number < all; number += node_count)
            at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld", at ? "," : "",
                           (long long)(INT64_MIN + (int64_t)(UINT64_MAX / (uint64_t)all * (uint64_t)number)));
    return text;
}

const char *system_value(const struct table *table, int row, int column) {
    bool of_peer = table->row_count == PER_PEER;
    const char *text = table->values[(of_peer ? 0 : row) * system_width(table) + column];
    /* The peers of a node are all but itself. */
    return text && *text == '@' ? value_of_node(text, of_peer ? row + (row >= node) : node) : text;
}

static void put_uuid(struct buffer *buffer, const char *text) {
    put_u32(buffer, 16);
    for (unsigned byte; *text; text += 2) {
        text += *text == '-';
        sscanf(text, "%2x", &byte);
        put_u8(buffer, (uint8_t)byte);
    }
}

static void put_scalar(struct buffer *buffer, const char *type, const char *text, size_t size) {
    if (!strcmp(type, "int")) {
        put_u32(buffer, 4);
        put_u32(buffer, (uint32_t)atoi(text));
    } else if (!strcmp(type, "boolean")) {
        put_u32(buffer, 1);
        put_u8(buffer, *text == 't');
    } else if (!strcmp(type, "double")) {
        double value = atof(text);
        uint64_t bits;
        memcpy(&bits, &value, 8);
        bits = __builtin_bswap64(bits);
        put_value(buffer, &bits, 8);
    } else if (!strcmp(type, "uuid")) {
        put_uuid(buffer, text);
    } else if (!strcmp(type, "inet")) {
        struct in_addr address;
        inet_pton(AF_INET, text, &address);
        put_value(buffer, &address, 4);
    } else {
        put_value(buffer, text, size);
    }
}

void system_put_value(struct buffer *buffer, const struct table *table, int row, int column) {
    char name[64], type[64], first[16], second[16];
    const char *text = system_value(table, row, column);
    if (!text) {
        put_u32(buffer, UINT32_MAX);
        return;
    }
    column_at(table, column, name, type);
    uint16_t code = collection(type, first, second);
    if (!code) {
        put_scalar(buffer, type, text, strlen(text));
        return;
    }
    size_t begin = buffer->size;
    uint32_t count = 0;
    put_u32(buffer, 0); /* the size, once it is known */
    put_u32(buffer, 0); /* the count */
    for (size_t size; *text; text += size + (text[size] == ','), count++) { /* "a,b", or "a=b,c=d" */
        size = strcspn(text, ",");
        size_t key = code == 0x21 ? strcspn(text, "=") : size;
        put_scalar(buffer, first, text, key);
        if (code == 0x21)
            put_scalar(buffer, second, text + key + 1, size - key - 1);
    }
    set_u32(buffer->data + begin, (uint32_t)(buffer->size - begin - 4));
    set_u32(buffer->data + begin + 4, count);
}
