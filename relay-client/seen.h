// The frames of a viewer that were delivered lately. A relay may send some of them again after a
// reconnect; a key must not be typed twice. Sequence numbers alone do not tell: every page that a
// viewer opens starts to count anew.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct seen_frame {
    uint64_t seq;
    uint64_t hash; // of the time, the size and the data
};

struct seen {
    struct seen_frame *frames; // a ring of SEEN_FRAMES
    size_t count, next;
};

void seen_init(struct seen *seen);
void seen_fini(struct seen *seen);

// True for a frame that is not among the latest SEEN_FRAMES; from now on it is.
bool seen_is_new(struct seen *seen, uint64_t seq, int64_t produced_at_ms, const void *data,
                 size_t size);
