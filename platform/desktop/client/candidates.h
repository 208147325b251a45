// Which X displays this user may have, and which files may hold their cookies. Only looks at files:
// whether a display works is found out by the desktop process.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/limits.h"

struct candidate {
    char display[DESKTOP_NAME_BYTES_MAX];
    bool wayland; // a Wayland session's X server
    bool guessed; // nothing but a socket speaks for it, which anybody may have made
};

struct candidates {
    size_t count;
    struct candidate displays[DESKTOP_CANDIDATES_MAX]; // the best first
    size_t cookie_count;
    char cookies[DESKTOP_COOKIES_MAX][DESKTOP_PATH_BYTES_MAX]; // files that exist, the best first
    bool wayland;                                              // the user has a Wayland session
};

// Where to look; the root directory differs in tests.
struct candidate_places {
    const char *root;       // "" for the real one
    const char *display;    // $DISPLAY of the agent, NULL or "" when unset
    const char *xauthority; // $XAUTHORITY of the agent, the same
    const char *home;       // NULL when there is none
    uid_t uid;
};

void candidates_find(const struct candidate_places *places, struct candidates *out);
