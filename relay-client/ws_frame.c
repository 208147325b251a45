#include "relay/ws_frame.h"

#include <string.h>

enum { FINAL_BINARY = 0x80 | 0x02, MASKED = 0x80, SIZE_IN_16_BITS = 126, SIZE_IN_64_BITS = 127 };

static void mask(unsigned char *data, size_t size, const unsigned char key[WS_KEY_BYTES])
{
    uint64_t word, keys;
    memcpy(&keys, key, WS_KEY_BYTES);
    memcpy((char *)&keys + WS_KEY_BYTES, key, WS_KEY_BYTES);
    size_t words = size / sizeof word;
    for (size_t i = 0; i < words; i++) {
        memcpy(&word, data + i * sizeof word, sizeof word);
        word ^= keys;
        memcpy(data + i * sizeof word, &word, sizeof word);
    }
    for (size_t i = words * sizeof word; i < size; i++)
        data[i] ^= key[i % WS_KEY_BYTES];
}

size_t ws_frame_mask(void *data, size_t size, const unsigned char key[WS_KEY_BYTES])
{
    unsigned char head[WS_HEAD_BYTES_MAX] = {FINAL_BINARY};
    size_t n = 2, digits = size < SIZE_IN_16_BITS ? 0 : size <= UINT16_MAX ? 2 : 8;
    head[1] = (unsigned char)(MASKED | (digits == 0   ? size
                                        : digits == 2 ? SIZE_IN_16_BITS
                                                      : SIZE_IN_64_BITS));
    for (size_t i = digits; i-- > 0;)
        head[n++] = (unsigned char)((uint64_t)size >> (8 * i));
    memcpy(head + n, key, WS_KEY_BYTES);
    n += WS_KEY_BYTES;
    mask(data, size, key);
    memcpy((unsigned char *)data - n, head, n);
    return n;
}
