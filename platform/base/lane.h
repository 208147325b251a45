// A lock that is given in the order it was asked for, and not waited for beyond a deadline.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lane_waiter;

struct ordered_lane {
    pthread_mutex_t lock;
    pthread_cond_t turn;
    struct lane_waiter *first, **last; // the first one has the lane
};

void lane_init(struct ordered_lane *lane);
void lane_fini(struct ordered_lane *lane);

// deadline_ms: of the monotonic clock. False when it passed first; the lane is not ours then.
struct lane_waiter {
    struct lane_waiter *next;
};
bool lane_enter(struct ordered_lane *lane, struct lane_waiter *waiter, int64_t deadline_ms)
    __attribute__((warn_unused_result));

// The same in two steps, where the order is known before there is a thread that can wait. Who has
// joined leaves, whether the turn came or not.
void lane_join(struct ordered_lane *lane, struct lane_waiter *waiter);
bool lane_wait(struct ordered_lane *lane, struct lane_waiter *waiter, int64_t deadline_ms)
    __attribute__((warn_unused_result));
void lane_leave(struct ordered_lane *lane, struct lane_waiter *waiter);
