#include "hub/relay/queue.h"

#include <assert.h>

#include "base/alloc.h"
#include "hub/relay/frame.h"

void queue_fini(struct queue *queue)
{
    while (queue->count > 0)
        queue_pop(queue);
    mem_free(queue->frames);
    *queue = (struct queue){0};
}

static void grow(struct queue *queue)
{
    size_t room = queue->room ? 2 * queue->room : 16;
    struct frame **frames = mem_array(room, sizeof *frames);
    for (size_t i = 0; i < queue->count; i++)
        frames[i] = queue_at(queue, i);
    mem_free(queue->frames);
    queue->frames = frames;
    queue->room = room;
    queue->first = 0;
}

void queue_push(struct queue *queue, struct frame *frame)
{
    if (queue->count == queue->room)
        grow(queue);
    queue->frames[(queue->first + queue->count++) % queue->room] = frame_ref(frame);
    queue->bytes += frame->size;
}

struct frame *queue_at(const struct queue *queue, size_t i)
{
    assert(i < queue->count);
    return queue->frames[(queue->first + i) % queue->room];
}

void queue_pop(struct queue *queue)
{
    struct frame *frame = queue_at(queue, 0);
    queue->bytes -= frame->size;
    queue->first = (queue->first + 1) % queue->room;
    queue->count--;
    frame_unref(frame);
}

void queue_trim(struct queue *queue, size_t frames_max, size_t bytes_max)
{
    while (queue->count > frames_max || (queue->count > 0 && queue->bytes > bytes_max))
        queue_pop(queue);
}
