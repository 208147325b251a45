// How large the frames of one viewer may be, so that on a slow way to it the picture keeps moving:
// when they were held up for a while, smaller ones are sent until there is little to send.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint64_t bytes_max;    // of a frame, in any case
    unsigned halvings;     // of that, for now
    unsigned halvings_max; // the picture cannot be made any smaller
    int64_t blocked_ms;    // since when a newer picture waits for its turn; 0: none does
    uint64_t last_bytes;
    unsigned late;             // frames in a row that were held up
    int64_t late_ms, quiet_ms; // since when; when full size may be tried again
    uint64_t late_bytes;       // that went out since then
    int64_t sent_ms;           // the last new picture
};

void pace_init(struct pace *pace, uint64_t bytes_max);

// Bytes that the next frame may have.
uint64_t pace_bytes(const struct pace *pace);

// A newer picture is there, and the way to the viewer is taken still.
void pace_blocked(struct pace *pace, int64_t now_ms);

// A new picture has gone out, its longer side with so many pixels; whole: in the screen's own size.
void pace_sent(struct pace *pace, int64_t now_ms, uint64_t bytes, unsigned side, bool whole);

// The picture cannot be made as small as pace_bytes. False: it was not asked to be smaller than in
// any case.
bool pace_refused(struct pace *pace);

// When the picture may be sent in full size again, 0: it is not held back.
int64_t pace_quiet_ms(const struct pace *pace);
// Does that.
void pace_relax(struct pace *pace);
