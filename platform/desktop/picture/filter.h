// PNG filters (PNG specification, section 9) for rows of 8-bit RGB.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum filter { FILTER_NONE, FILTER_SUB, FILTER_UP, FILTER_AVERAGE, FILTER_PAETH, FILTERS };

// The bytes of width pixels.
void filter_expand(const uint32_t *row, unsigned width, uint8_t *rgb);

// Whether most pixels equal their left or upper neighbour: drawn, not photographed. Then deflate
// finds longer repetitions in what is not filtered.
bool filter_is_drawing(const uint32_t *row, const uint32_t *above, unsigned width);

// out has one byte more than the size bytes of rgb: the filter's number comes first.
void filter_apply(enum filter filter, const uint8_t *restrict rgb, const uint8_t *restrict above,
                  size_t size, uint8_t *restrict out);

// How hard the filtered bytes are to compress, for comparing filters: the sum of their distances
// from zero.
uint64_t filter_cost(const uint8_t *filtered, size_t size);
