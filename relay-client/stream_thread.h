// What runs on the stream thread. It sleeps while nothing happens, and never blocks: no name
// look-ups, no files, no waiting. Everything but stream_post is for that thread alone.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "relay/stream.h"

// Has the thread run a task, in the order of posting. False when there is no thread (any
// more); a task that was taken runs, if need be just before the thread ends.
bool stream_post(void (*run)(void *argument), void *argument);

// Has the thread run a task and waits for its end: for what has to be asked of the thread. False
// when there is no thread, and nothing was run. Not to be used while stream_stop may run.
bool stream_call(void (*run)(void *argument), void *argument) __attribute__((warn_unused_result));

bool stream_here(void); // the caller is the stream thread

// A descriptor and what to do when it is ready. It stays the caller's.
struct watch {
    int fd;
    void (*ready)(struct watch *watch, unsigned events); // events: EPOLLIN and so on, epoll_ctl(2)
};

void watch_start(struct watch *watch, unsigned events);
void watch_stop(struct watch *watch); // before the descriptor is closed

struct stream_timer {
    struct stream_timer *next; // later ones
    bool set;
    unsigned set_at;
    int64_t due_ms;
    void (*fired)(struct stream_timer *timer);
};

void timer_set(struct stream_timer *timer, int64_t after_ms); // 0: as soon as the thread is free
void timer_stop(struct stream_timer *timer);

// The struct that a watch or a timer is a member of.
#define holder_of(member_pointer, type, member) \
    ((type *)((char *)(member_pointer)-offsetof(type, member)))

struct lws_context *stream_context(void);
struct lws_vhost *stream_vhost(void);
