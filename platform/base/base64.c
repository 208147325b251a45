#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabets[][65] = {
    [BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

void base64_encode(enum base64_alphabet alphabet, const void *data, size_t size, char *text)
{
    const unsigned char *in = data;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | in[i];
        for (held += 8; held >= 6; held -= 6)
            *text++ = alphabets[alphabet][bits >> (held - 6) & 63];
    }
    if (held > 0)
        *text++ = alphabets[alphabet][bits << (6 - held) & 63];
    *text = '\0';
}

bool base64_decode(enum base64_alphabet alphabet, const char *text, size_t size, void *out,
                   size_t *out_size)
{
    if (size > 0 && size % 4 == 0)
        for (int i = 0; i < 2 && text[size - 1] == '='; i++)
            size--;
    if (size % 4 == 1)
        return false;
    unsigned char *p = out;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < size; i++) {
        const char *at = memchr(alphabets[alphabet], text[i], 64);
        if (!at)
            return false;
        bits = bits << 6 | (uint32_t)(at - alphabets[alphabet]);
        held += 6;
        if (held >= 8) {
            held -= 8;
            *p++ = (unsigned char)(bits >> held);
        }
    }
    *out_size = (size_t)(p - (unsigned char *)out);
    return (bits & ((1u << held) - 1)) == 0;
}
