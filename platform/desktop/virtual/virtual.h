// A screen for a machine that has none: keeps an Xvfb running and tells the desktop about it. A
// thread of its own waits for the server's end and starts the next one.
#pragma once

#include "desktop_virtual/geometry.h"

struct desktop;
struct virtual_desktop;

struct virtual_options {
    unsigned number; // of the display that is wanted; where it is taken, one of the next
    struct geometry geometry;
    const char *authority;    // where its cookie goes, a private place
    char *const *environment; // of its programs
};

// Returns when the screen is there or has failed to come, VIRTUAL_START_MS at the latest. From now
// on the desktop shows this screen, or none while it is down. The options' texts have to stay.
struct virtual_desktop *virtual_desktop_start(struct desktop *desktop,
                                              const struct virtual_options *options);

// Ends its programs and takes their files away. NULL is accepted.
void virtual_desktop_stop(struct virtual_desktop *screen);
