// Makes a picture smaller: every new pixel is the average of the area it covers.
#pragma once

#include <stdint.h>

struct crew;
struct picture;

// out: width times height pixels of 0x00RRGGBB, neither side larger than the picture's.
void area_shrink(struct crew *crew, const struct picture *from, unsigned width, unsigned height,
                 uint32_t *out);
