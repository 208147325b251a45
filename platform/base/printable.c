#include "base/printable.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

// Bytes of the valid character at text, which does not end there; 0 when there is none.
static size_t character_size(const char *text)
{
    for (size_t n = 1; n <= 4 && (n == 1 || text[n - 1] != '\0'); n++)
        if (utf8_valid(text, n))
            return n;
    return 0;
}

static bool harmless(const unsigned char *c, size_t size)
{
    if (size == 1)
        return c[0] >= ' ' && c[0] != 0x7f;
    if (size == 2)
        return !(c[0] == 0xc2 && c[1] < 0xa0) &&   // U+0080..9F
               !(c[0] == 0xd8 && c[1] == 0x9c);    // U+061C
    if (size == 3 && c[0] == 0xe2 && c[1] == 0x80) // U+200E, 200F, 2028..202E
        return !(c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae));
    if (size == 3 && c[0] == 0xe2 && c[1] == 0x81) // U+2066..2069
        return !(c[2] >= 0xa6 && c[2] <= 0xa9);
    return size > 0;
}

char *printable_strip(char *text)
{
    char *out = text;
    for (const char *in = text; *in;) {
        if (*in >= ' ' && *in <= '~') { // nearly all there is
            *out++ = *in++;
            continue;
        }
        size_t size = character_size(in), step = size ? size : 1;
        if (harmless((const unsigned char *)in, size)) {
            memmove(out, in, step);
            out += step;
        }
        in += step;
    }
    *out = '\0';
    return text;
}

char *printable_copy(const char *text)
{
    return printable_strip(mem_string(text ? text : ""));
}
