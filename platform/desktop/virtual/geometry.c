#include "desktop_virtual/geometry.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum { USUAL_WIDTH = 1280, USUAL_HEIGHT = 800, DIGITS_MAX = 9 };

static bool read_half(const char *text, size_t size, unsigned usual, unsigned *out)
{
    char digits[DIGITS_MAX + 1] = "";
    *out = usual;
    if (size == 0 || size > DIGITS_MAX)
        return false;
    memcpy(digits, text, size);
    if (strspn(digits, "0123456789") != size)
        return false;
    *out = (unsigned)strtoul(digits, NULL, 10);
    return true;
}

bool geometry_read(const char *text, struct geometry *out)
{
    size_t first = strcspn(text, "xX");
    const char *second = text[first] ? text + first + 1 : "";
    size_t size = strcspn(second, "xX");
    bool whole = read_half(text, first, USUAL_WIDTH, &out->width);
    whole &= read_half(second, size, USUAL_HEIGHT, &out->height);
    if (out->width >= VIRTUAL_SIDE_MIN && out->width <= VIRTUAL_SIDE_MAX &&
        out->height >= VIRTUAL_SIDE_MIN && out->height <= VIRTUAL_SIDE_MAX)
        return whole && second[size] == '\0';
    *out = (struct geometry){USUAL_WIDTH, USUAL_HEIGHT};
    return false;
}
