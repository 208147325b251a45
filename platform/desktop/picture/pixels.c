#include "picture/pixels.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define HOST_IS_BIG (__BYTE_ORDER == __BIG_ENDIAN)

struct pixel_format pixel_format_plain(void)
{
    return (struct pixel_format){32, HOST_IS_BIG, 0xff0000, 0xff00, 0xff};
}

static bool is_run(uint32_t mask)
{
    if (mask == 0)
        return false;
    mask >>= __builtin_ctz(mask);
    return mask <= 0xffff && (mask & (mask + 1)) == 0;
}

bool pixel_format_check(const struct pixel_format *format, struct fail *why)
{
    if (format->bits_per_pixel != 16 && format->bits_per_pixel != 24 &&
        format->bits_per_pixel != 32)
        return fail_because(why, FAIL_UNSUPPORTED, "pixels of %u bits are not supported",
                            format->bits_per_pixel);
    if (!is_run(format->red_mask) || !is_run(format->green_mask) || !is_run(format->blue_mask))
        return fail_because(why, FAIL_UNSUPPORTED, "the colour masks %x/%x/%x are not supported",
                            format->red_mask, format->green_mask, format->blue_mask);
    return true;
}

static bool is_plain(const struct pixel_format *format)
{
    return format->bits_per_pixel == 32 && format->big_endian == HOST_IS_BIG &&
           format->red_mask == 0xff0000 && format->green_mask == 0xff00 &&
           format->blue_mask == 0xff;
}

struct channel {
    uint32_t mask, max;
    int shift;
};

static struct channel channel_of(uint32_t mask)
{
    int shift = __builtin_ctz(mask);
    return (struct channel){mask, mask >> shift, shift};
}

static uint32_t to_byte(uint32_t pixel, const struct channel *channel)
{
    uint32_t value = (pixel & channel->mask) >> channel->shift;
    return (value * 255 + channel->max / 2) / channel->max;
}

static uint32_t load(const unsigned char *at, unsigned bytes, bool big_endian)
{
    uint32_t pixel = 0;
    for (unsigned i = 0; i < bytes; i++)
        pixel |= (uint32_t)at[i] << (8 * (big_endian ? bytes - 1 - i : i));
    return pixel;
}

const uint32_t *pixels_row(const struct pixels *pixels, unsigned y, uint32_t *scratch)
{
    assert(y < pixels->height);
    const struct pixel_format *format = &pixels->format;
    const unsigned char *row = pixels->data + y * pixels->stride;
    if (is_plain(format) && (uintptr_t)row % sizeof *scratch == 0)
        return (const uint32_t *)(const void *)row;

    struct channel red = channel_of(format->red_mask), green = channel_of(format->green_mask),
                   blue = channel_of(format->blue_mask);
    unsigned bytes = format->bits_per_pixel / 8;
    for (unsigned x = 0; x < pixels->width; x++) {
        uint32_t pixel = load(row + (size_t)x * bytes, bytes, format->big_endian);
        scratch[x] =
            to_byte(pixel, &red) << 16 | to_byte(pixel, &green) << 8 | to_byte(pixel, &blue);
    }
    return scratch;
}
