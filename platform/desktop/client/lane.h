// A lock that is given in the order it was asked for, and not waited for beyond a deadline.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lane_waiter;

struct lane {
    pthread_mutex_t lock;
    pthread_cond_t turn;
    struct lane_waiter *first, **last; // the first one has the lane
};

void lane_init(struct lane *lane);
void lane_fini(struct lane *lane);

// deadline_ms: of the monotonic clock. False when it passed first; the lane is not ours then.
struct lane_waiter {
    struct lane_waiter *next;
};
bool lane_enter(struct lane *lane, struct lane_waiter *waiter, int64_t deadline_ms)
    __attribute__((warn_unused_result));
void lane_leave(struct lane *lane, struct lane_waiter *waiter);
