// What the X server says has changed on the screen since it was asked last. It leaves things out
// now and then, so the screen is compared as a whole from time to time all the same.
#pragma once

#include <X11/Xlib.h>
#include <X11/extensions/Xdamage.h>
#include <X11/extensions/Xfixes.h>
#include <stdbool.h>
#include <stdint.h>

#include "desktop_x11/display.h"

struct damage {
    struct display *display;
    bool available;
    bool pending; // something has changed
    int event;
    Damage watch;
    XserverRegion region;
    uint64_t last_ms; // when something changed, monotonic clock
};

void damage_init(struct damage *damage, struct display *display);
bool damage_notices(struct damage *damage, const XEvent *event);

// Sets dirty[strip] for every strip of the region with height rows that has changed, and starts
// over. Everything is dirty where the server cannot tell.
void damage_take(struct damage *damage, unsigned height, bool *dirty);
