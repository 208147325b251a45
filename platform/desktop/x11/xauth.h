// Cookies in an Xauthority file (Xsecurity(7)): records of a family, an address, a display number,
// a method and its data, each text counted by two bytes in network order.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { XAUTH_COOKIE_MAX = 64 };

struct xauth_cookie {
    size_t size;
    uint8_t bytes[XAUTH_COOKIE_MAX];
};

// The MIT-MAGIC-COOKIE-1 cookies that may open this display of this machine, the ones made for it
// by name first. Returns how many, at most max. Stops at the first record that is cut short.
size_t xauth_cookies(const void *file, size_t size, unsigned display, const char *host,
                     struct xauth_cookie *cookies, size_t max);
