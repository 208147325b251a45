// Pixels as an X server keeps them, and rows of them as 0x00RRGGBB.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

// Of a TrueColor visual (X protocol, connection setup): where each channel is in a pixel.
struct pixel_format {
    unsigned bits_per_pixel; // 16, 24 or 32
    bool big_endian;
    uint32_t red_mask, green_mask, blue_mask; // runs of 1 to 16 bits
};

// 32 bits, 0x??RRGGBB in host order: what our own pictures have.
struct pixel_format pixel_format_plain(void);

// FAIL_UNSUPPORTED, naming the trouble.
bool pixel_format_check(const struct pixel_format *format, struct fail *why)
    __attribute__((warn_unused_result));

// Rows of pixels in memory that belongs to someone else.
struct pixels {
    struct pixel_format format;
    unsigned width, height;
    size_t stride; // bytes from one row to the next
    const unsigned char *data;
};

// Row y as 0x??RRGGBB in host order; the top byte is noise. Either in the pixels themselves or in
// scratch, which has room for width pixels.
const uint32_t *pixels_row(const struct pixels *pixels, unsigned y, uint32_t *scratch);
