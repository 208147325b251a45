// What is to be shown: pixels with the pointer drawn over them, which is not in an X server's root
// window. Read row by row; cut into strips of whole rows that are told apart by a checksum.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "picture/pixels.h"

enum { STRIP_ROWS = 32 };

// The pointer's image, premultiplied alpha in the top byte (XFixesGetCursorImage).
struct cursor_image {
    int x, y; // of its top left corner in the picture; may be outside
    unsigned width, height;
    const uint32_t *argb;
    uint32_t serial; // another one for another image
};

struct picture {
    struct pixels pixels;
    const struct cursor_image *cursor; // NULL: none
    uint32_t keep;                     // bits of 0xRRGGBB that count; the others are cleared
};

// All bits kept, no cursor.
struct picture picture_of(const struct pixels *pixels);

unsigned strip_count(unsigned height);
unsigned strip_rows(unsigned height, unsigned strip); // of this strip; the last one may have fewer

// Row y as 0x00RRGGBB or, where nothing had to be changed, with noise in the top byte; in the
// pixels themselves or in scratch, which has room for the width.
const uint32_t *picture_row(const struct picture *picture, unsigned y, uint32_t *scratch);

// Checksums of what a strip shows: two strips with the same one look the same. First of the pixels
// alone, CRC-32 and Adler-32 side by side, so that any single small change is seen for certain;
// then of the picture, from that and what is drawn over them. Never 0.
uint64_t pixels_strip_hash(const struct pixels *pixels, unsigned strip);
uint64_t picture_strip_hash(const struct picture *picture, unsigned strip, uint64_t pixels_hash);
