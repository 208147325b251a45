#include "base/starts.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"

struct waiter {
    struct waiter *next;
    pthread_cond_t wake;
    bool called;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned shorts, starting, slots;
static int64_t burst_until_ms;  // more of it may be on its way
static int64_t shorts_since_ms; // when there was none last
static struct waiter *first, **last = &first;

static bool quiet(int64_t now)
{
    return shorts == 0 && now >= burst_until_ms;
}

// What is there for long is not short.
static bool short_work(int64_t now)
{
    return !quiet(now) && now - shorts_since_ms < STARTS_YIELD_MS;
}

static void call_next(int64_t now)
{
    if (!first || short_work(now))
        return;
    for (; first && starting < slots; starting++) {
        struct waiter *waiter = first;
        first = waiter->next;
        if (!first)
            last = &first;
        waiter->called = true;
        pthread_cond_signal(&waiter->wake);
    }
}

void starts_short_begin(void)
{
    pthread_mutex_lock(&lock);
    int64_t now = clock_mono_ms();
    if (quiet(now))
        shorts_since_ms = now;
    shorts++;
    pthread_mutex_unlock(&lock);
}

void starts_short_end(void)
{
    pthread_mutex_lock(&lock);
    if (--shorts == 0)
        call_next(clock_mono_ms());
    pthread_mutex_unlock(&lock);
}

void starts_burst(void)
{
    pthread_mutex_lock(&lock);
    int64_t now = clock_mono_ms();
    if (quiet(now))
        shorts_since_ms = now;
    burst_until_ms = now + STARTS_BURST_MS;
    pthread_mutex_unlock(&lock);
}

static void leave_queue(struct waiter *self)
{
    for (struct waiter **at = &first; *at; at = &(*at)->next)
        if (*at == self) {
            *at = self->next;
            break;
        }
    last = &first;
    while (*last)
        last = &(*last)->next;
}

// The first in the queue looks again when short work has been there for long.
static void wait_turn(void)
{
    struct waiter self = {0};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self.wake, &attributes);
    pthread_condattr_destroy(&attributes);
    *last = &self;
    last = &self.next;
    int64_t now = clock_mono_ms(), until = now + STARTS_WAIT_MS;
    while (!self.called && now < until) {
        int64_t look = until;
        if (short_work(now)) {
            int64_t over = shorts_since_ms + STARTS_YIELD_MS;
            if (shorts == 0 && burst_until_ms < over)
                over = burst_until_ms;
            look = over < look ? over : look;
        }
        struct timespec at = {.tv_sec = look / 1000, .tv_nsec = look % 1000 * 1000000};
        pthread_cond_timedwait(&self.wake, &lock, &at);
        now = clock_mono_ms();
        call_next(now);
    }
    if (!self.called) {
        leave_queue(&self);
        starting++;
    }
    pthread_cond_destroy(&self.wake);
}

void starts_enter(void)
{
    pthread_mutex_lock(&lock);
    if (slots == 0) {
        int processors = get_nprocs();
        slots = processors > STARTS_SLOTS_MIN ? (unsigned)processors : STARTS_SLOTS_MIN;
    }
    if (first || starting >= slots || short_work(clock_mono_ms()))
        wait_turn();
    else
        starting++;
    pthread_mutex_unlock(&lock);
}

void starts_leave(void)
{
    pthread_mutex_lock(&lock);
    starting--;
    call_next(clock_mono_ms());
    pthread_mutex_unlock(&lock);
}
