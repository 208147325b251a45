// One subscriber of frames: what it has seen, how much it may get, when it gets the next.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "desktop_protocol/protocol.h"
#include "desktop_x11/pace.h"

struct screen;
struct input_source;

struct viewer {
    int socket;
    unsigned frames_per_second;
    uint64_t bytes_per_second;
    struct pace pace;
    bool may_input;
    struct input_source *source; // where its input comes from; NULL while it has sent none

    bool ready;     // it has taken the last frame
    bool fresh;     // it wants one whatever has changed
    uint64_t shown; // the version it has seen last
    int64_t next_ms;
    double credit; // bytes it may get now; below 0 it has to wait
    int64_t credit_ms;
    int64_t changed_ms;                                  // when the last new picture was sent
    unsigned repeats;                                    // of it that were sent
    uint32_t width, height, native_width, native_height; // of the last frame
};

struct viewer *viewer_new(int socket, const struct desktop_request *request);
void viewer_free(struct viewer *viewer); // closes the socket

// Handles one note from the daemon. False when it has gone. *input: a note of input came, *text_fd
// with it (the caller's, or -1); its coordinates are already those of the screen.
bool viewer_read(struct viewer *viewer, struct desktop_input *input, int *text_fd, bool *has_input);

// When this viewer wants something again although nothing changes; INT64_MAX: never.
int64_t viewer_due_ms(const struct viewer *viewer, int64_t now_ms);

// Whether a frame may go out now if the picture is newer than what it has seen, and when else.
bool viewer_may(const struct viewer *viewer, int64_t now_ms, int64_t *when_ms);

// Sends the present picture when this viewer should have it. False when it has gone.
bool viewer_offer(struct viewer *viewer, struct screen *screen);
