// What the desktop operations have in common, and what a link remembers of its desktop.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lane.h"
#include "ops/op.h"

struct desktop_state;
struct environment_entry;

// One for each link: whom it shows the screen to, and who presses its keys.
struct desktop_seat {
    struct ordered_lane input; // requests for input, in the order they came
    atomic_bool pressed;       // it has sent input: keys and buttons may be held
    // Sizes in the last screenshot: 16 bits each of the PNG's width and height, and the screen's. A
    // control plane of the older kind sends coordinates of the picture that it was shown; 0: none
    // was.
    atomic_uint_least64_t shown;
};

void desktop_seat_init(struct desktop_seat *seat);
void desktop_seat_fini(struct desktop_seat *seat);

void desktop_seat_shows(struct desktop_seat *seat, unsigned width, unsigned height,
                        unsigned native_width, unsigned native_height);

// From the picture's pixels to the screen's.
void desktop_seat_scale(struct desktop_seat *seat, int32_t *x, int32_t *y);

// The link has lost its session: nothing that it pressed stays down. May take some seconds.
void desktop_seat_let_go(struct desktop_seat *seat, const struct op_host *host);

// What this machine says of its desktop, found out now: available only where it can be looked at.
void desktop_describe(const struct op_host *host, struct desktop_state *state);

// What programs have to know to show something on the host's desktop: DISPLAY, and XAUTHORITY where
// a cookie is needed. Appended to the count entries of a request, which has the last word; returns
// how many there are then. Room for DESKTOP_LENT more is needed. The values live in the arena.
enum { DESKTOP_LENT = 2 };
size_t desktop_lend(const struct op *op, struct environment_entry *entries, size_t count);

// The desktop of the host, or FAIL_UNSUPPORTED.
bool desktop_of(const struct op *op, struct desktop **desktop, struct fail *why)
    __attribute__((warn_unused_result));
