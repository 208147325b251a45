// The thread that makes all input, one event at a time in the order they come: from the daemon's
// input socket, from viewers of frames and from RFB. Each source has its own held keys, and they
// come up when it goes away or when there was no input for a while.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "desktop_protocol/protocol.h"

struct display;
struct held_page;
struct input_queue;
struct input_source;

// Connects once more to the display and starts the thread. socket: the daemon's, -1 for none.
// wake_fd: an eventfd that is written to after each event. NULL with *why when it cannot.
struct input_queue *input_queue_new(const struct display *display, int socket,
                                    struct held_page *page, int wake_fd, struct fail *why);

// Lets go of everything and ends the thread.
void input_queue_free(struct input_queue *queue);

struct input_source *input_source_new(struct input_queue *queue);

// The source has gone. What it holds is released; waiting input of it is dropped, and a text that
// it is typing ends.
void input_source_free(struct input_source *source);

// Leaves the event to the thread and returns at once. text: UTF-8 of DESKTOP_TEXT, copied. Of moves
// that wait one behind the other only the last is made. When the queue is full the event is
// dropped, and all that the source holds is released afterwards.
void input_source_post(struct input_source *source, const struct desktop_input *input,
                       const char *text);

// The daemon gave the request up.
void input_queue_cancel(struct input_queue *queue, uint64_t serial);

// When input was made last (monotonic clock, 0: never), and whether anything is held or running.
int64_t input_queue_last_ms(const struct input_queue *queue);
bool input_queue_busy(const struct input_queue *queue);

// The daemon's socket or the X server's connection has broken: no input can come any more.
bool input_queue_ended(const struct input_queue *queue);
