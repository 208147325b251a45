// Makes input events with XTEST, as if the person at the screen had made them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "desktop_protocol/protocol.h"
#include "desktop_x11/display.h"
#include "desktop_x11/held.h"
#include "desktop_x11/keyboard.h"

// Kinds of input beyond those of the protocol, from RFB viewers: one keysym (in x) that goes down
// or up (action); and all buttons at once (bit n of button: button n + 1), with a place.
enum { INJECT_SYMBOL = 100, INJECT_BUTTONS };

struct inject {
    struct display display; // with a connection of our own
    Display *x;             // that one
    struct keyboard keyboard;
    struct held_page *page;
};

// Connects once more to the display. page must live longer.
bool inject_init(struct inject *inject, const struct display *display, struct held_page *page,
                 struct fail *why) __attribute__((warn_unused_result));
void inject_fini(struct inject *inject);

// Whether a long piece of work should stop; may be called from the thread that does it at any time.
typedef bool (*inject_stopped)(void *context);

// One event, completely: true means that the X server has processed it. text: of DESKTOP_TEXT, in
// UTF-8. held: what this source of input holds; what it presses without releasing is added.
// FAIL_UNSUPPORTED and FAIL_PROTOCOL are found before anything is pressed.
bool inject_run(struct inject *inject, struct held *held, const struct desktop_input *input,
                const char *text, inject_stopped stopped, void *context, struct fail *why)
    __attribute__((warn_unused_result));

// Lets go of all that the source holds.
bool inject_release(struct inject *inject, struct held *held, struct fail *why);

// For the parts of it: presses or releases, and remembers.
void inject_key(struct inject *inject, struct held *held, KeyCode code, bool down);
void inject_button(struct inject *inject, struct held *held, unsigned button, bool down);
