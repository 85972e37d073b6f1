#include "checksums.h"

#include <string.h>

/* Native protocol v5, section 2.2. */
#define CRC24_POLYNOMIAL 0x1974F0Bu
#define CRC24_START 0x875060u
static const uint8_t CRC32_START[] = {0xFA, 0x2D, 0x55, 0xCA};

static uint32_t table24[256], tables32[8][256], begun32;

static uint32_t bytewise(uint32_t crc, const uint8_t *bytes, size_t size) {
    while (size--)
        crc = crc >> 8 ^ tables32[0][(crc ^ *bytes++) & 0xFF];
    return crc;
}

void checksums_prepare(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte << 16;
        for (int bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ (crc & 0x800000 ? CRC24_POLYNOMIAL : 0);
        table24[byte] = crc & 0xFFFFFF;
        crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        tables32[0][byte] = crc;
    }
    for (int table = 1; table < 8; table++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = tables32[table - 1][byte];
            tables32[table][byte] = before >> 8 ^ tables32[0][before & 0xFF];
        }
    begun32 = bytewise(0xFFFFFFFFu, CRC32_START, sizeof CRC32_START);
}

uint32_t crc24(const uint8_t *header) {
    uint32_t crc = CRC24_START;
    for (int byte = 0; byte < 3; byte++)
        crc = (crc << 8 ^ table24[(crc >> 16 ^ header[byte]) & 0xFF]) & 0xFFFFFF;
    return crc;
}

uint32_t crc32(const uint8_t *payload, size_t size) {
    uint32_t crc = begun32;
    for (; size >= 8; payload += 8, size -= 8) { /* eight bytes at once, on little-endian machines */
        uint32_t low, high;
        memcpy(&low, payload, 4);
        memcpy(&high, payload + 4, 4);
        low ^= crc;
        crc = tables32[7][low & 0xFF] ^ tables32[6][low >> 8 & 0xFF] ^ tables32[5][low >> 16 & 0xFF] ^
              tables32[4][low >> 24] ^ tables32[3][high & 0xFF] ^ tables32[2][high >> 8 & 0xFF] ^
              tables32[1][high >> 16 & 0xFF] ^ tables32[0][high >> 24];
    }
    return ~bytewise(crc, payload, size);
}
