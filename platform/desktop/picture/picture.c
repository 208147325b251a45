#include "picture/picture.h"

#include <libdeflate.h>
#include <stdbool.h>
#include <string.h>

struct picture picture_of(const struct pixels *pixels)
{
    return (struct picture){.pixels = *pixels, .keep = 0xffffff};
}

unsigned strip_count(unsigned height)
{
    return (height + STRIP_ROWS - 1) / STRIP_ROWS;
}

unsigned strip_rows(unsigned height, unsigned strip)
{
    unsigned left = height - strip * STRIP_ROWS;
    return left < STRIP_ROWS ? left : STRIP_ROWS;
}

static bool cursor_touches(const struct cursor_image *cursor, long first, long end)
{
    return cursor && cursor->width > 0 && cursor->y < end &&
           cursor->y + (long)cursor->height > first;
}

// One channel of premultiplied "over": what shows through of the background, rounded.
static uint32_t blend(uint32_t over, uint32_t under, int shift, uint32_t clear)
{
    uint32_t through = ((under >> shift & 0xff) * clear + 127) / 255;
    uint32_t sum = (over >> shift & 0xff) + through;
    return (sum > 255 ? 255 : sum) << shift;
}

static void draw_cursor(const struct picture *picture, unsigned y, uint32_t *row)
{
    const struct cursor_image *cursor = picture->cursor;
    const uint32_t *argb = cursor->argb + (size_t)((long)y - cursor->y) * cursor->width;
    for (unsigned i = 0; i < cursor->width; i++) {
        long x = cursor->x + (long)i;
        if (x < 0 || x >= (long)picture->pixels.width)
            continue;
        uint32_t clear = 255 - (argb[i] >> 24), under = row[x];
        row[x] = blend(argb[i], under, 16, clear) | blend(argb[i], under, 8, clear) |
                 blend(argb[i], under, 0, clear);
    }
}

const uint32_t *picture_row(const struct picture *picture, unsigned y, uint32_t *scratch)
{
    unsigned width = picture->pixels.width;
    const uint32_t *row = pixels_row(&picture->pixels, y, scratch);
    bool cursor = cursor_touches(picture->cursor, y, (long)y + 1);
    if (!cursor && picture->keep == 0xffffff)
        return row;
    if (row != scratch)
        memcpy(scratch, row, width * sizeof *row);
    if (cursor)
        draw_cursor(picture, y, scratch);
    for (unsigned x = 0; x < width; x++)
        scratch[x] &= picture->keep;
    return scratch;
}

uint64_t pixels_strip_hash(const struct pixels *pixels, unsigned strip)
{
    const unsigned char *data = pixels->data + (size_t)strip * STRIP_ROWS * pixels->stride;
    size_t size = strip_rows(pixels->height, strip) * pixels->stride;
    uint64_t hash =
        (uint64_t)libdeflate_crc32(0, data, size) << 32 | libdeflate_adler32(1, data, size);
    return hash ? hash : 1;
}

uint64_t picture_strip_hash(const struct picture *picture, unsigned strip, uint64_t pixels_hash)
{
    const struct cursor_image *cursor = picture->cursor;
    long first = (long)strip * STRIP_ROWS;
    bool touched = cursor_touches(cursor, first, first + strip_rows(picture->pixels.height, strip));
    if (!touched && picture->keep == 0xffffff)
        return pixels_hash;
    uint32_t over[4] = {picture->keep};
    if (touched) {
        over[1] = (uint32_t)cursor->x;
        over[2] = (uint32_t)cursor->y;
        over[3] = cursor->serial + 1;
    }
    uint64_t hash = pixels_hash ^ (uint64_t)libdeflate_crc32(1, over, sizeof over) << 32 ^
                    libdeflate_crc32(2, over, sizeof over);
    return hash ? hash : 1;
}
