#include "desktop_x11/characters.h"

#include "base/utf8.h"

size_t characters_next(const char *text, size_t size, uint32_t *character)
{
    if (size == 0)
        return 0;
    unsigned char first = (unsigned char)text[0];
    size_t bytes = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (bytes > size || !utf8_valid(text, bytes))
        return 0;
    uint32_t value = bytes == 1 ? first : first & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++)
        value = value << 6 | ((unsigned char)text[i] & 0x3f);
    *character = value;
    return bytes;
}
