// Whatever a file of cookies holds: no more cookies than asked for, none empty or too long.
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "desktop_x11/xauth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { COOKIES_MAX = 5 };
    struct xauth_cookie cookies[COOKIES_MAX], fewer[1];
    if (size < 1)
        return 0;
    uint8_t *file = malloc(size); // ends where the input ends
    memcpy(file, data + 1, size - 1);
    size_t count = xauth_cookies(file, size - 1, data[0], "host", cookies, COOKIES_MAX);
    assert(count <= COOKIES_MAX);
    for (size_t i = 0; i < count; i++)
        assert(cookies[i].size > 0 && cookies[i].size <= XAUTH_COOKIE_MAX);
    size_t one = xauth_cookies(file, size - 1, data[0], "host", fewer, 1);
    assert(one == (count > 0));
    if (one)
        assert(fewer[0].size == cookies[0].size &&
               memcmp(fewer[0].bytes, cookies[0].bytes, fewer[0].size) == 0);
    free(file);
    return 0;
}
