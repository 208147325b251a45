// The daemon's end of a viewer's socket (desktop_frames): frames come one at a time, the next one
// after the last was taken, and always the newest. Nothing here waits.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"
#include "desktop_protocol/protocol.h"

enum frames_result {
    FRAMES_ONE,  // a frame came
    FRAMES_NONE, // not yet
    FRAMES_END,  // the desktop process has gone; a viewer that goes on opens another
};

// *png: a sealed memory file of frame->bytes, the caller's.
enum frames_result frames_read(int socket, struct desktop_frame *frame, int *png);

// The last frame has been sent on: another may come. False when the desktop process has gone.
bool frames_taken(int socket);

// A frame is needed even if nothing changes, e.g. because the relay was dialled again.
bool frames_fresh(int socket);

// Input from this viewer; dropped unless it was opened with may_input. Coordinates are those of the
// frame that was sent last. text: UTF-8 for DESKTOP_TEXT.
bool frames_input(int socket, struct desktop_input *input, const char *text, size_t text_bytes);
