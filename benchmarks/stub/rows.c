#include "rows.h"

static void row_write(uint8_t *at, uint32_t part, uint32_t id) {
    set_u32(at, 4);
    set_u32(at + 4, part);
    set_u32(at + 8, 4);
    set_u32(at + 12, id);

    set_u32(at + 16, NAME_SIZE);
    memcpy(at + 20, "name-00000000000", NAME_SIZE);
    uint8_t *digit = at + 20 + NAME_SIZE;
    for (uint32_t rest = id; rest; rest /= 10)
        *--digit = (uint8_t)('0' + rest % 10);

    double score = id * 0.5;
    uint64_t bits;
    memcpy(&bits, &score, 8);
    bits = __builtin_bswap64(bits);
    set_u32(at + 20 + NAME_SIZE, 8);
    memcpy(at + 24 + NAME_SIZE, &bits, 8);

    uint8_t *ref = at + 32 + NAME_SIZE;
    set_u32(ref, 16);
    set_u32(ref + 4, part);
    set_u32(ref + 8, 0x00004000);
    set_u32(ref + 12, 0x80000000);
    set_u32(ref + 16, id);
}

void rows_write(struct buffer *buffer, uint32_t part, uint32_t first, uint32_t count) {
    uint8_t *at = buffer_room(buffer, (size_t)count * ROW_SIZE);
    for (uint32_t number = 0; number < count; number++)
        row_write(at + (size_t)number * ROW_SIZE, part, first + number);
    buffer->size += (size_t)count * ROW_SIZE;
}

bool row_is_right(const uint8_t *values, size_t size) {
    uint8_t expected[ROW_SIZE];
    if (size != ROW_SIZE)
        return false;
    struct reader reader = {values + 4, values + size, false};
    uint32_t part = take_u32(&reader);
    take_u32(&reader);
    row_write(expected, part, take_u32(&reader));
    return memcmp(values, expected, ROW_SIZE) == 0;
}
