// The pixels of the screen, in memory shared with the X server where it can be.
#pragma once

#include <X11/Xlib.h>
#include <stdbool.h>

#include "desktop_x11/display.h"
#include "picture/pixels.h"

// Counted, because viewers on other threads read it while a screen of another size takes its place.
// The server and this process write to it at any time; a reader that sees half a change is told of
// the other half afterwards.
struct frame_memory;
struct frame_memory *frame_memory_ref(struct frame_memory *memory);
void frame_memory_unref(struct frame_memory *memory); // NULL is accepted
const struct pixels *frame_memory_pixels(const struct frame_memory *memory);

struct capture {
    struct display *display;
    struct frame_memory *memory; // NULL before the first frame
    XImage *image;
    bool shared;    // with the server
    bool try_share; // it has not refused yet
};

void capture_init(struct capture *capture, struct display *display);
void capture_fini(struct capture *capture);

// Memory of the display's present size. *renewed: it is other memory than before, and black.
bool capture_prepare(struct capture *capture, bool *renewed, struct fail *why)
    __attribute__((warn_unused_result));

// Fetches rows [first, first + rows). *resized: the screen has changed under us; nothing is known
// then and capture_prepare has to come first.
bool capture_rows(struct capture *capture, unsigned first, unsigned rows, bool *resized,
                  struct fail *why) __attribute__((warn_unused_result));
