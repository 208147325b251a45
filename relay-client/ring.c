#include "relay/ring.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"

enum { ROOM_MIN = 4096 };

void ring_init(struct ring *ring, size_t max)
{
    *ring = (struct ring){.max = max};
}

void ring_fini(struct ring *ring)
{
    mem_free(ring->data);
    ring_init(ring, ring->max);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void copy_out(const struct ring *ring, char *out)
{
    size_t first = least(ring->size, ring->room - ring->start);
    if (first > 0)
        memcpy(out, ring->data + ring->start, first);
    if (ring->size > first)
        memcpy(out + first, ring->data, ring->size - first);
}

static void make_room(struct ring *ring, size_t size)
{
    size_t need = ring->size + size, room = ring->room ? ring->room : ROOM_MIN;
    assert(need <= ring->max);
    while (room < need)
        room *= 2;
    room = least(room, ring->max);
    if (room <= ring->room)
        return;
    char *data = mem_array(1, room);
    copy_out(ring, data);
    mem_free(ring->data);
    ring->data = data;
    ring->start = 0;
    ring->room = room;
}

bool ring_add(struct ring *ring, const void *data, size_t size)
{
    if (size > ring->max - ring->size)
        return false;
    if (size == 0)
        return true;
    make_room(ring, size);
    size_t end = (ring->start + ring->size) % ring->room;
    size_t first = least(size, ring->room - end);
    memcpy(ring->data + end, data, first);
    memcpy(ring->data, (const char *)data + first, size - first);
    ring->size += size;
    return true;
}

size_t ring_add_newest(struct ring *ring, const void *data, size_t size)
{
    size_t lost = 0;
    if (size > ring->max) {
        lost = size - ring->max;
        data = (const char *)data + lost;
        size = ring->max;
    }
    if (size > ring->max - ring->size) {
        size_t over = size - (ring->max - ring->size);
        lost += over;
        ring_drop(ring, over);
    }
    (void)!ring_add(ring, data, size);
    return lost;
}

const char *ring_peek(const struct ring *ring, size_t *size)
{
    *size = least(ring->size, ring->room - ring->start);
    return ring->data + ring->start;
}

void ring_drop(struct ring *ring, size_t size)
{
    assert(size <= ring->size);
    ring->size -= size;
    if (ring->size == 0)
        ring_fini(ring);
    else
        ring->start = (ring->start + size) % ring->room;
}
