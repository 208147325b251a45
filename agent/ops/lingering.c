#include "ops/lingering.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "ops/terminals.h"
#include "relay/channel.h"
#include "relay/stream_thread.h"

struct lingering {
    struct lingering *older, *newer;
    struct lingerings *all;
    struct channel *channel;
    const struct relay *relay; // to compare
    char id[TERMINAL_ID_BYTES];
    struct stream_timer timer;
};

static void forget(struct lingering *lingering)
{
    struct lingerings *all = lingering->all;
    *(lingering->newer ? &lingering->newer->older : &all->newest) = lingering->older;
    *(lingering->older ? &lingering->older->newer : &all->oldest) = lingering->newer;
    all->count--;
    timer_stop(&lingering->timer);
    mem_free(lingering);
}

static void end(struct lingering *lingering)
{
    struct channel *channel = lingering->channel;
    forget(lingering);
    channel_close(channel, STREAM_CLOSE_PROCESS_EXIT, "pty exited");
}

static void timer_fired(struct stream_timer *timer)
{
    end(holder_of(timer, struct lingering, timer));
}

// --- events of the channel

static void channel_live(void *lingering, bool live)
{
    if (!live) // nobody dials for a program that has ended
        end(lingering);
}

static void channel_gone(void *lingering, const struct fail *why)
{
    (void)why;
    forget(lingering);
}

static void channel_frame(void *lingering, const void *data, size_t size)
{
    (void)data, (void)size;
    end(lingering);
}

static size_t channel_produce(void *lingering)
{
    (void)lingering;
    return 0;
}

// --- calls of the terminals

void lingering_begin(struct lingerings *all, struct channel *channel, const struct relay *relay,
                     const char *id, int64_t ms)
{
    static const struct channel_events events = {.live = channel_live,
                                                 .failed = channel_gone,
                                                 .ended = channel_gone,
                                                 .frame = channel_frame,
                                                 .produce = channel_produce};
    struct lingering *lingering = mem_new(struct lingering);
    *lingering = (struct lingering){.older = all->newest,
                                    .all = all,
                                    .channel = channel,
                                    .relay = relay,
                                    .timer.fired = timer_fired};
    memcpy(lingering->id, id, TERMINAL_ID_BYTES);
    *(all->newest ? &all->newest->newer : &all->oldest) = lingering;
    all->newest = lingering;
    all->count++;
    channel_hand_over(channel, &events, lingering);
    timer_set(&lingering->timer, ms);
    if (all->count > TERMINALS_LINGERING_MAX)
        end(all->oldest);
}

void lingering_seen(struct lingerings *all, const struct relay *relay, const char *id)
{
    for (struct lingering *at = all->newest, *next; at; at = next) {
        next = at->older;
        if (at->relay == relay && strcmp(at->id, id) == 0)
            end(at);
    }
}

void lingering_end_all(struct lingerings *all, const struct relay *relay)
{
    for (struct lingering *at = all->newest, *next; at; at = next) {
        next = at->older;
        if (!relay || at->relay == relay)
            end(at);
    }
}
