// Frames in order, with limits: what waits for a socket, and what is kept for one that comes later.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct frame;

struct queue {
    struct frame **frames; // a ring of room places
    size_t first, count, room;
    size_t bytes;
};

void queue_fini(struct queue *queue);
void queue_push(struct queue *queue, struct frame *frame);   // takes a reference of its own
struct frame *queue_at(const struct queue *queue, size_t i); // i-th oldest
void queue_pop(struct queue *queue);                         // drops the oldest

// Keeps the newest frames: at most so many, and so many bytes.
void queue_trim(struct queue *queue, size_t frames_max, size_t bytes_max);
