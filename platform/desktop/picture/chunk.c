#include "picture/chunk.h"

#include <endian.h>
#include <libdeflate.h>
#include <string.h>

#include "picture/seam.h"

void chunk_put32(uint8_t *out, uint32_t value)
{
    value = htobe32(value);
    memcpy(out, &value, sizeof value);
}

size_t chunk_close(uint8_t *chunk, const char *type, size_t size)
{
    chunk_put32(chunk, (uint32_t)size);
    memcpy(chunk + 4, type, 4);
    chunk_put32(chunk + CHUNK_DATA + size, libdeflate_crc32(0, chunk + 4, size + 4));
    return size + CHUNK_FRAME;
}

size_t chunk_zlib_head(uint8_t *chunk)
{
    chunk[CHUNK_DATA] = 0x78;     // deflate with a window of 32 KiB
    chunk[CHUNK_DATA + 1] = 0x01; // compressed quickly, no dictionary; makes it a multiple of 31
    return chunk_close(chunk, "IDAT", 2);
}

size_t chunk_zlib_tail(uint8_t *chunk, uint32_t adler)
{
    memcpy(chunk + CHUNK_DATA, seam_end, sizeof seam_end);
    chunk_put32(chunk + CHUNK_DATA + sizeof seam_end, adler);
    return chunk_close(chunk, "IDAT", sizeof seam_end + 4);
}

uint32_t adler_join(uint32_t one, uint32_t two, size_t size)
{
    const uint32_t base = 65521;
    uint32_t rest = (uint32_t)(size % base);
    uint32_t low = one & 0xffff, high = (uint32_t)((uint64_t)rest * low % base);
    low = (low + (two & 0xffff) + base - 1) % base;
    high = (high + (one >> 16) + (two >> 16) + base - rest) % base;
    return high << 16 | low;
}
