// Compresses one strip of a picture into a piece of a PNG's data. Each hand of a crew has a press
// of its own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "picture/palette.h"

struct picture;

enum png_effort { PNG_QUICK, PNG_DENSE };

enum { PRESS_LEVELS = 3 };

struct press {
    struct libdeflate_compressor *compressors[PRESS_LEVELS];
    unsigned width;
    uint32_t *row, *above; // pixels
    uint8_t *rgb, *rgb_above, *trial;
    uint8_t *raw;    // a strip before compression
    uint8_t *packed; // and after
    size_t packed_room;
};

// All zero is a press that has nothing yet.
void press_fini(struct press *press); // it may be used again

struct pressed {
    uint32_t adler;         // of the bytes before compression
    size_t raw;             // how many those are
    size_t size;            // of press->packed
    enum png_effort effort; // with more than this it would not get smaller
};

// Up to STRIP_ROWS rows in 8-bit RGB, filtered by what is in them.
struct pressed press_rgb(struct press *press, const struct picture *picture, unsigned first,
                         unsigned rows, enum png_effort effort);

// The numbers of the strip's pixels: rows times width bytes. index: what this thread knows of the
// palette. False when the palette is full.
bool press_number(struct press *press, struct palette *palette, struct palette_index *index,
                  const struct picture *picture, unsigned strip, uint8_t *numbers);

// A strip of such numbers with so many bits each.
struct pressed press_numbers(struct press *press, const uint8_t *numbers, unsigned width,
                             unsigned rows, unsigned bits, enum png_effort effort);
