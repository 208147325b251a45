#include "base/lane.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

void lane_init(struct ordered_lane *lane)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&lane->turn, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&lane->lock, NULL);
    lane->first = NULL;
    lane->last = &lane->first;
}

void lane_fini(struct ordered_lane *lane)
{
    assert(!lane->first);
    pthread_cond_destroy(&lane->turn);
    pthread_mutex_destroy(&lane->lock);
}

static void take_out(struct ordered_lane *lane, struct lane_waiter *waiter)
{
    struct lane_waiter **link = &lane->first;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    if (lane->last == &waiter->next)
        lane->last = link;
    pthread_cond_broadcast(&lane->turn);
}

void lane_join(struct ordered_lane *lane, struct lane_waiter *waiter)
{
    pthread_mutex_lock(&lane->lock);
    waiter->next = NULL;
    *lane->last = waiter;
    lane->last = &waiter->next;
    pthread_mutex_unlock(&lane->lock);
}

bool lane_wait(struct ordered_lane *lane, struct lane_waiter *waiter, int64_t deadline_ms)
{
    const struct timespec deadline = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};
    int error = 0;
    pthread_mutex_lock(&lane->lock);
    while (lane->first != waiter && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&lane->turn, &lane->lock, &deadline);
    bool ours = lane->first == waiter;
    pthread_mutex_unlock(&lane->lock);
    return ours;
}

bool lane_enter(struct ordered_lane *lane, struct lane_waiter *waiter, int64_t deadline_ms)
{
    lane_join(lane, waiter);
    if (lane_wait(lane, waiter, deadline_ms))
        return true;
    lane_leave(lane, waiter);
    return false;
}

void lane_leave(struct ordered_lane *lane, struct lane_waiter *waiter)
{
    pthread_mutex_lock(&lane->lock);
    take_out(lane, waiter);
    pthread_mutex_unlock(&lane->lock);
}
