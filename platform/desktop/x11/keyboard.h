// The keymap of the X server: which key, with which modifiers, makes a keysym right now; and spare
// keys, on which keysyms are put that no key makes.
#pragma once

#include <X11/XKBlib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

enum {
    KEYBOARD_SPARES_MAX = 64,
    KEYBOARD_MODIFIERS_MAX = 3, // pressed for one key: Shift, Level3, Level5
};

struct stroke {
    KeyCode code;
    unsigned count; // modifier keys to be held, beyond what is held already
    KeyCode modifiers[KEYBOARD_MODIFIERS_MAX];
};

struct spare {
    KeyCode code;
    KeySym keysym;   // NoSymbol: free
    int64_t used_ms; // last, monotonic clock
    bool down;       // its meaning has to stay until it comes up
};

struct keyboard {
    Display *x;
    int event;      // of XKB
    XkbDescPtr map; // NULL: to be fetched
    XkbStateRec state;
    struct {
        unsigned mask;
        KeyCode code;
    } shifts[KEYBOARD_MODIFIERS_MAX]; // the keys for Shift, Level3 and Level5; code 0: none
    struct spare spares[KEYBOARD_SPARES_MAX];
    unsigned spare_count;
};

// FAIL_UNSUPPORTED where the server has no XKB.
bool keyboard_init(struct keyboard *keyboard, Display *x, struct fail *why)
    __attribute__((warn_unused_result));
void keyboard_fini(struct keyboard *keyboard);

// Fetches state and, when it has changed, the map. To be called before each use.
bool keyboard_update(struct keyboard *keyboard, struct fail *why)
    __attribute__((warn_unused_result));

// How to make the keysym in the layout group that is active, with held (a mask of modifiers) down
// already; spare keys count. False when it takes a spare key that is not prepared.
bool keyboard_find(const struct keyboard *keyboard, KeySym keysym, unsigned held,
                   struct stroke *stroke);

// The key of a modifier keysym, or of its other side, or any that works as one. 0: none.
KeyCode keyboard_modifier(const struct keyboard *keyboard, KeySym keysym);
// The mask that a key changes while it is down.
unsigned keyboard_mask(const struct keyboard *keyboard, KeyCode code);

// Puts keysyms on spare keys, all with one round of changes, and waits until clients know. As many
// of the count as there is room for, in order; returns how many, 0 when there is no spare key.
size_t keyboard_prepare(struct keyboard *keyboard, const KeySym *keysyms, size_t count);
bool keyboard_is_spare(const struct keyboard *keyboard, KeyCode code);
// How many keysyms can be put on spare keys at once.
size_t keyboard_room(const struct keyboard *keyboard);
// A key, perhaps a spare one, goes down or comes up.
void keyboard_note(struct keyboard *keyboard, KeyCode code, bool down);

// Empties the spare keys again that are not down. When: none of them was used for a while.
void keyboard_restore(struct keyboard *keyboard);
// When that will be, 0: there is nothing to empty.
int64_t keyboard_restore_ms(const struct keyboard *keyboard);
