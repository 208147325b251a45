// One X display: whether it can be used, its size, the form of its pixels.
#pragma once

#include <X11/Xlib.h>
#include <stdbool.h>

#include "base/limits.h"
#include "desktop_protocol/protocol.h"
#include "desktop_x11/xauth.h"
#include "picture/pixels.h"

struct display {
    Display *x;
    Window root;
    char name[DESKTOP_NAME_BYTES_MAX];
    struct xauth_cookie cookie;
    bool primary_only;

    // The region that pictures show and coordinates count from: the whole root window, or one
    // monitor of several.
    int left, top;
    unsigned width, height;
    struct pixel_format format;
};

// Connects within DESKTOP_CONNECT_MS and looks whether pictures and input will work. Anything but
// DESKTOP_OPENED is explained in text and has left nothing behind.
enum desktop_opened display_open(struct display *display, const char *name, const char *xauthority,
                                 uint32_t flags, char text[DESKTOP_REASON_BYTES_MAX]);
void display_close(struct display *display);

// Another connection to the same display, watched for errors; NULL when the server takes no more.
Display *display_connect(const struct display *display);

// Asks for the region again: the screen may have changed. False when the connection is lost.
bool display_update(struct display *display, struct fail *why) __attribute__((warn_unused_result));
