#include "base/utf8.h"

#include <string.h>

#include "base/arena.h"

// Bytes of the character at text, 0 when it is not a valid one (RFC 3629, section 4).
static size_t character(const unsigned char *text, size_t size)
{
    unsigned char c = text[0];
    size_t n = c < 0x80                 ? 1
               : c >= 0xc2 && c <= 0xdf ? 2
               : (c & 0xf0) == 0xe0     ? 3
               : c >= 0xf0 && c <= 0xf4 ? 4
                                        : 0;
    if (n == 0 || n > size)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if (n == 3 && ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f)))
        return 0;
    if (n == 4 && ((c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] > 0x8f)))
        return 0;
    return n;
}

bool utf8_valid(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    while (size > 0) {
        size_t n = *p < 0x80 ? 1 : character(p, size);
        if (n == 0)
            return false;
        p += n;
        size -= n;
    }
    return true;
}

size_t utf8_cut(const char *text, size_t max)
{
    size_t n = strnlen(text, max);
    if (n < max || text[n] == '\0')
        return n;
    while (n > 0 && max - n < 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

const char *utf8_repair(struct arena *arena, const char *text)
{
    size_t size = strlen(text);
    if (utf8_valid(text, size))
        return text;
    char *copy = arena_alloc(arena, size * 3 + 1);
    if (!copy)
        return NULL;
    char *out = copy;
    const unsigned char *p = (const unsigned char *)text;
    while (size > 0) {
        size_t n = character(p, size);
        if (n == 0) {
            memcpy(out, "\xef\xbf\xbd", 3);
            out += 3;
            n = 1;
        } else {
            memcpy(out, p, n);
            out += n;
        }
        p += n;
        size -= n;
    }
    *out = '\0';
    return copy;
}
