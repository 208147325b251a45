#include "picture/filter.h"

#include <stdlib.h>
#include <string.h>

enum { PIXEL = 3 };

void filter_expand(const uint32_t *restrict row, unsigned width, uint8_t *restrict rgb)
{
    for (unsigned x = 0; x < width; x++) {
        rgb[(size_t)x * PIXEL] = (uint8_t)(row[x] >> 16);
        rgb[(size_t)x * PIXEL + 1] = (uint8_t)(row[x] >> 8);
        rgb[(size_t)x * PIXEL + 2] = (uint8_t)row[x];
    }
}

bool filter_is_drawing(const uint32_t *row, const uint32_t *above, unsigned width)
{
    unsigned same = 0;
    for (unsigned x = 1; x < width; x++)
        same += ((row[x] ^ row[x - 1]) & 0xffffff) == 0 || ((row[x] ^ above[x]) & 0xffffff) == 0;
    return same >= width / 2;
}

static uint8_t paeth(int left, int up, int corner)
{
    int by_left = abs(up - corner), by_up = abs(left - corner),
        by_corner = abs(left + up - 2 * corner);
    int nearest = by_up <= by_corner ? up : corner;
    return (uint8_t)(by_left <= by_up && by_left <= by_corner ? left : nearest);
}

void filter_apply(enum filter filter, const uint8_t *restrict rgb, const uint8_t *restrict above,
                  size_t size, uint8_t *restrict out)
{
    *out++ = (uint8_t)filter;
    switch (filter) {
    case FILTER_SUB:
        memcpy(out, rgb, PIXEL);
        for (size_t i = PIXEL; i < size; i++)
            out[i] = (uint8_t)(rgb[i] - rgb[i - PIXEL]);
        return;
    case FILTER_UP:
        for (size_t i = 0; i < size; i++)
            out[i] = (uint8_t)(rgb[i] - above[i]);
        return;
    case FILTER_AVERAGE:
        for (size_t i = 0; i < PIXEL; i++)
            out[i] = (uint8_t)(rgb[i] - above[i] / 2);
        for (size_t i = PIXEL; i < size; i++)
            out[i] = (uint8_t)(rgb[i] - (rgb[i - PIXEL] + above[i]) / 2);
        return;
    case FILTER_PAETH:
        for (size_t i = 0; i < PIXEL; i++)
            out[i] = (uint8_t)(rgb[i] - above[i]); // left and corner are 0
        for (size_t i = PIXEL; i < size; i++)
            out[i] = (uint8_t)(rgb[i] - paeth(rgb[i - PIXEL], above[i], above[i - PIXEL]));
        return;
    default:
        memcpy(out, rgb, size);
    }
}

uint64_t filter_cost(const uint8_t *filtered, size_t size)
{
    uint64_t cost = 0;
    for (size_t i = 0; i < size; i++)
        cost += (unsigned)abs((int8_t)filtered[i]);
    return cost;
}
