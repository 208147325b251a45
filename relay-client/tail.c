#include "relay/tail.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"

enum { ROOM = TAIL_DATA_BYTES_MAX + TAIL_FRAMES_MAX * sizeof(struct tail_frame) };
static_assert(PUMP_FRAME_BYTES <= TAIL_DATA_BYTES_MAX, "one frame always fits");

void tail_init(struct tail *tail)
{
    *tail = (struct tail){0};
    ring_init(&tail->ring, ROOM);
}

void tail_fini(struct tail *tail)
{
    ring_fini(&tail->ring);
    tail_init(tail);
}

static void copy(const struct ring *ring, size_t offset, void *out, size_t size)
{
    size_t from = (ring->start + offset) % ring->room;
    size_t first = size < ring->room - from ? size : ring->room - from;
    memcpy(out, ring->data + from, first);
    memcpy((char *)out + first, ring->data, size - first);
}

void tail_add(struct tail *tail, const struct tail_frame *frame, const void *data)
{
    assert(frame->size <= PUMP_FRAME_BYTES);
    while (tail->count > 0 && (tail->count == TAIL_FRAMES_MAX ||
                               tail->data_size + frame->size > TAIL_DATA_BYTES_MAX)) {
        struct tail_frame oldest;
        copy(&tail->ring, 0, &oldest, sizeof oldest);
        ring_drop(&tail->ring, sizeof oldest + oldest.size);
        tail->data_size -= oldest.size;
        tail->count--;
    }
    bool fits =
        ring_add(&tail->ring, frame, sizeof *frame) && ring_add(&tail->ring, data, frame->size);
    assert(fits);
    (void)fits;
    tail->data_size += frame->size;
    tail->count++;
}

bool tail_find(const struct tail *tail, uint64_t seq, struct tail_frame *frame, void *out)
{
    size_t offset = 0;
    for (size_t i = 0; i < tail->count; i++) {
        copy(&tail->ring, offset, frame, sizeof *frame);
        offset += sizeof *frame;
        if (frame->seq >= seq) {
            copy(&tail->ring, offset, out, frame->size);
            return true;
        }
        offset += frame->size;
    }
    return false;
}
