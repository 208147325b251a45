// The pointer's image and place: X servers keep it out of the screen's pixels.
#pragma once

#include <X11/Xlib.h>
#include <stdbool.h>

#include "desktop_x11/display.h"
#include "picture/picture.h"

struct pointer {
    struct display *display;
    bool available; // the server has XFixes
    bool stale;     // another image is shown now
    int event;      // of XFixes
    struct cursor_image image;
    int hot_x, hot_y;
};

void pointer_init(struct pointer *pointer, struct display *display);
void pointer_fini(struct pointer *pointer);

// Whether the event says that the image has changed.
bool pointer_notices(struct pointer *pointer, const XEvent *event);

// Brings image and place up to date; true when they are not what they were.
bool pointer_update(struct pointer *pointer);
