// "ctrl+shift+t": keys joined with '+', to be pressed in order and released in reverse.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"
#include "base/limits.h"
#include "desktop_x11/keyname.h"

struct chord {
    size_t count;
    struct keyname keys[DESKTOP_KEY_TOKENS_MAX];
};

// A '+' where a key has to begin is the plus key: "+", "ctrl++". A single space, or several, are
// the space key. FAIL_UNSUPPORTED, naming the key, when any part is not known; a modifier named
// twice counts once.
bool chord_parse(const char *text, struct chord *chord, struct fail *why)
    __attribute__((warn_unused_result));

// Keysyms that only change what other keys mean.
bool keysym_is_modifier(KeySym keysym);
// Those with which a letter is a command and not text.
bool keysym_is_command(KeySym keysym);
