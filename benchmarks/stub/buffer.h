/* Bytes that grow, and bytes that are read: big-endian, as CQL's native protocol has them. */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
    uint8_t *data;
    size_t size, capacity;
};

/* Makes room for `extra` bytes and returns where they go; the size stays. */
static inline uint8_t *buffer_room(struct buffer *buffer, size_t extra) {
    if (buffer->size + extra > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : 4096;
        while (capacity < buffer->size + extra)
            capacity *= 2;
        buffer->data = realloc(buffer->data, capacity);
        if (!buffer->data) {
            fprintf(stderr, "stub: out of memory\n");
            exit(1);
        }
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

static inline void set_u16(uint8_t *at, uint16_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void set_u32(uint8_t *at, uint32_t value) {
    value = __builtin_bswap32(value);
    memcpy(at, &value, 4);
}

static inline void put_bytes(struct buffer *buffer, const void *bytes, size_t size) {
    memcpy(buffer_room(buffer, size), bytes, size);
    buffer->size += size;
}

static inline void put_u8(struct buffer *buffer, uint8_t value) { put_bytes(buffer, &value, 1); }

static inline void put_u16(struct buffer *buffer, uint16_t value) {
    set_u16(buffer_room(buffer, 2), value);
    buffer->size += 2;
}

static inline void put_u32(struct buffer *buffer, uint32_t value) {
    set_u32(buffer_room(buffer, 4), value);
    buffer->size += 4;
}

/* [string]: its length in two bytes, and its bytes. */
static inline void put_string(struct buffer *buffer, const char *text) {
    put_u16(buffer, (uint16_t)strlen(text));
    put_bytes(buffer, text, strlen(text));
}

/* [bytes]: the length in four bytes, and the bytes. */
static inline void put_value(struct buffer *buffer, const void *bytes, size_t size) {
    put_u32(buffer, (uint32_t)size);
    put_bytes(buffer, bytes, size);
}

static inline void buffer_drop(struct buffer *buffer, size_t count) {
    memmove(buffer->data, buffer->data + count, buffer->size - count);
    buffer->size -= count;
}

/* What is left to read; `bad` once more was asked for than is there, and zeros come from then on. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static inline const uint8_t *take(struct reader *reader, size_t size) {
    static const uint8_t zeros[16];
    if ((size_t)(reader->end - reader->at) < size) {
        reader->bad = true;
        reader->at = reader->end;
        return zeros;
    }
    const uint8_t *at = reader->at;
    reader->at += size;
    return at;
}

static inline uint8_t take_u8(struct reader *reader) { return *take(reader, 1); }

static inline uint16_t take_u16(struct reader *reader) {
    const uint8_t *at = take(reader, 2);
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t take_u32(struct reader *reader) {
    uint32_t value;
    memcpy(&value, take(reader, 4), 4);
    return __builtin_bswap32(value);
}

#endif
