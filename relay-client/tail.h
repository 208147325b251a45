// The newest frames that went out on a channel, to be sent again after a reconnect: the relay may
// have lost them with its memory, or not have got them at all. Viewers pass over what they have.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/ring.h"

struct tail {
    struct ring ring; // records: a struct tail_frame, then its data
    size_t data_size; // of all frames together, at most TAIL_DATA_BYTES_MAX but for a single one
    size_t count;
};

struct tail_frame {
    uint64_t seq;
    int64_t produced_at_ms;
    size_t size;
};

void tail_init(struct tail *tail);
void tail_fini(struct tail *tail);

// Takes a copy; the oldest frames go.
void tail_add(struct tail *tail, const struct tail_frame *frame, const void *data);

// The frame with the lowest sequence number from seq on, its data copied to out (room for
// PUMP_FRAME_BYTES). False when there is none.
bool tail_find(const struct tail *tail, uint64_t seq, struct tail_frame *frame, void *out);
