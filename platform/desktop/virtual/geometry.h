// The size of a virtual screen, as people write it.
#pragma once

#include <stdbool.h>

struct geometry {
    unsigned width, height;
};

// "1024x768"; a half that is missing or no number is the usual one (1280 and 800), further parts
// are not looked at. False when anything had to be guessed, or when a side was out of bounds and so
// both are the usual ones: *out can be used in any case.
bool geometry_read(const char *text, struct geometry *out);
