// Makes a picture smaller: every new pixel is the average of the area it covers.
#pragma once

#include <stdint.h>

struct bands;
struct crew;
struct picture;

// out: width times height pixels of 0x00RRGGBB, neither side larger than the picture's.
void area_shrink(struct crew *crew, const struct picture *from, unsigned width, unsigned height,
                 uint32_t *out);

// The same for the rows in the new picture's bands alone (strips.h); the others stay as they are.
void area_shrink_bands(struct crew *crew, const struct picture *from, unsigned width,
                       unsigned height, const struct bands *only, uint32_t *out);
