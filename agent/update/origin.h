// Where this build's updates come from, decided when it was built (OPENGENI_UPDATE_KEY and
// OPENGENI_UPDATE_BASE_URL). Builds for packages have no key: their package manager updates them.
#pragma once

#include <features.h> // __GLIBC__

extern const char *const update_origin_key;  // of minisign, as text; "" when there is none
extern const char *const update_origin_base; // without a slash at its end; "" when there is none

// What an artifact for this build is called in a manifest.
#ifdef __GLIBC__
#define UPDATE_LIBC "gnu"
#else
#define UPDATE_LIBC "musl"
#endif
#ifdef __aarch64__
#define UPDATE_TARGET "aarch64-unknown-linux-" UPDATE_LIBC
#else
#define UPDATE_TARGET "x86_64-unknown-linux-" UPDATE_LIBC
#endif
