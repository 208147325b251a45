// One viewer over RFB (RFC 6143), served by libvncserver on a thread of its own, on one end of a
// socket pair. A viewer that does not read, or sends nonsense, ends alone.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

struct input_source;
struct rfb;
struct screen;

// source: takes the viewer's input; NULL: it may only look. *peer: the other end, the caller's.
struct rfb *rfb_new(const struct screen *screen, struct input_source *source, int *peer,
                    struct fail *why);
void rfb_free(struct rfb *rfb); // hangs up; the source stays the caller's

// Tells the viewer what has changed on the screen since the last call.
void rfb_update(struct rfb *rfb, const struct screen *screen);

bool rfb_ended(const struct rfb *rfb);
