// What we hold down, and which keys have been given another meaning: the X server remembers both
// after we are gone. Kept in memory that the daemon hands to the next process of us, so that even
// one that was killed leaves nothing pressed for long.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "desktop_protocol/protocol.h"
#include "desktop_x11/keyboard.h"

enum { HELD_KEY_BYTES = DESKTOP_KEY_BITS_BYTES, HELD_SYMBOLS = 16 };

struct held {
    uint8_t keys[HELD_KEY_BYTES]; // one bit a key code
    uint32_t buttons;             // bit n: button n
    struct {
        KeySym keysym;
        KeyCode code; // that went down for it, 0: this slot is free
    } symbols[HELD_SYMBOLS];
};

bool held_any(const struct held *held);
bool held_key(const struct held *held, unsigned code);
void held_set_key(struct held *held, unsigned code, bool down);

struct held_page;

// fd: DESKTOP_HELD_BYTES of shared memory, -1: private memory. NULL with *why when it cannot be
// used.
struct held_page *held_page_open(int fd, struct fail *why);
void held_page_close(struct held_page *page);

// To be called before the key goes down and after it has come up again.
void held_page_key(struct held_page *page, unsigned code, bool down);
void held_page_button(struct held_page *page, unsigned button, bool down);
// The spare keys in use, before they change.
void held_page_spares(struct held_page *page, const struct spare *spares, unsigned count);

// Takes back what an earlier process left on this display, and forgets it.
void held_page_recover(struct held_page *page, const char *display, struct keyboard *keyboard);
