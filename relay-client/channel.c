#include "relay/channel.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "relay/channel_private.h"
#include "relay/relay_private.h"
#include "relay/stream_thread.h"
#include "relay/ws.h"

static void dial(struct channel *channel);

// --- the end

static void free_channel(struct channel *channel)
{
    assert(!channel->ws && !channel->owner);
    *channel->link = channel->next;
    if (channel->next)
        channel->next->link = channel->link;
    redial_end(&channel->redial);
    timer_stop(&channel->timer);
    tail_fini(&channel->tail);
    seen_fini(&channel->seen);
    buffer_fini(&channel->message);
    relay_unref(channel->relay);
    mem_free(channel);
}

static unsigned farewells; // channels in CHANNEL_CLOSING

unsigned channel_farewells(void)
{
    return farewells;
}

static void set_state(struct channel *channel, enum channel_state state)
{
    farewells +=
        (unsigned)(state == CHANNEL_CLOSING) - (unsigned)(channel->state == CHANNEL_CLOSING);
    channel->state = state;
    if (state != CHANNEL_REGISTERING)
        redial_end(&channel->redial);
}

static void unpark_rivals(struct channel *of);

// Freed when the caller's caller is done with it.
void channel_die(struct channel *channel)
{
    if (channel->ws)
        ws_close(channel->ws, WS_NORMAL);
    channel->ws = NULL;
    channel->owner = NULL;
    set_state(channel, CHANNEL_DEAD);
    unpark_rivals(channel);
    timer_set(&channel->timer, 0);
}

void channel_end(struct channel *channel, const struct fail *why)
{
    void *owner = channel->owner;
    const struct channel_events *events = channel->events;
    bool was_live = channel->was_live;
    channel_die(channel);
    if (owner && was_live)
        events->ended(owner, why);
    else if (owner)
        events->failed(owner, why);
}

// --- waiting for the next attempt

// Full jitter, with a ceiling that doubles. Soon after the loss it stays low: a relay that was only
// restarted has everybody back within two seconds.
static int64_t backoff(const struct channel *channel)
{
    int64_t ceiling = CHANNEL_BACKOFF_MS;
    for (unsigned i = 1; i < channel->attempts && ceiling < CHANNEL_BACKOFF_MAX_MS; i++)
        ceiling *= 2;
    int64_t highest = clock_mono_ms() - channel->lost_ms < CHANNEL_EARLY_MS
                          ? CHANNEL_BACKOFF_EARLY_MS
                          : CHANNEL_BACKOFF_MAX_MS;
    if (channel->refused_since_ms)
        ceiling = highest = CHANNEL_BACKOFF_MAX_MS;
    return (int64_t)random_below((uint64_t)(ceiling < highest ? ceiling : highest) + 1);
}

static void wait_and_redial(struct channel *channel, int64_t at_least_ms)
{
    set_state(channel, CHANNEL_WAITING);
    channel->attempts++;
    int64_t wait = backoff(channel);
    timer_set(&channel->timer, wait > at_least_ms ? wait : at_least_ms);
}

static void turn_has_come(struct redial *redial)
{
    dial(holder_of(redial, struct channel, redial));
}

// --- rivals: an old relay knows a channel by its port alone and drops the older one of two

static struct channel *newer_rival(const struct channel *channel)
{
    for (struct channel *other = channel->relay->channels; other; other = other->next)
        if (other->number > channel->number && other->policy.port == channel->policy.port &&
            other->state == CHANNEL_LIVE && other->live_ms >= channel->lost_ms - CHANNEL_RIVAL_MS &&
            other->live_ms <= channel->lost_ms + CHANNEL_RIVAL_MS &&
            other->lost_ms < channel->live_ms) // else both were lost together
            return other;
    return NULL;
}

// True when the channel is parked now.
static bool park_if_rivalled(struct channel *channel)
{
    channel->rival = newer_rival(channel);
    if (!channel->rival)
        return false;
    set_state(channel, CHANNEL_PARKED);
    timer_stop(&channel->timer);
    return true;
}

static void unpark_rivals(struct channel *of)
{
    for (struct channel *channel = of->relay->channels; channel; channel = channel->next)
        if (channel->state == CHANNEL_PARKED && channel->rival == of) {
            channel->rival = NULL;
            wait_and_redial(channel, 0);
        }
}

// --- a connection is lost, or was never made

// Of the time for the first registration.
static int64_t first_left(const struct channel *channel)
{
    return channel->created_ms + atomic_load(&channel->relay->first_ms) - clock_mono_ms();
}

static void lost_before_live(struct channel *channel, const struct fail *why)
{
    int64_t left = first_left(channel);
    if (why->kind == FAIL_STREAM || channel->attempts + 1 >= CHANNEL_FIRST_ATTEMPTS || left <= 0)
        channel_end(channel, why);
    else
        wait_and_redial(channel, 0);
}

// A desktop's channel that nobody watches is dropped by the relay after a while; one that lost its
// connection together with others was not.
static bool was_reaped(const struct channel *channel, int64_t now)
{
    int64_t silent = now - channel->sent_ms;
    return channel->policy.ends_when_reaped && silent >= CHANNEL_REAPED_MIN_MS &&
           silent <= CHANNEL_REAPED_MAX_MS &&
           now - channel->relay->dropped_ms > CHANNEL_REAPED_ALONE_MS;
}

// A token that has expired, or a relay that is mistaken, is mended in time by whoever looks after
// the machine. When the control plane has disowned it as well, nobody is there to see what goes on.
static bool was_refused_enough(const struct channel *channel, int64_t now)
{
    int64_t patience = atomic_load(&channel->relay->refused_ms);
    if (atomic_load(&channel->relay->disowned))
        patience /= CHANNEL_DISOWNED_PART;
    return channel->refused_since_ms && now - channel->refused_since_ms >= patience;
}

static bool has_waited_enough(const struct channel *channel, int64_t now)
{
    return (channel->policy.give_up_ms && now - channel->lost_ms >= channel->policy.give_up_ms) ||
           was_refused_enough(channel, now);
}

static void lost_after_live(struct channel *channel, const struct fail *why, int64_t at_least_ms)
{
    int64_t now = clock_mono_ms();
    bool was_serving = channel->state == CHANNEL_LIVE,
         reaped = was_serving && was_reaped(channel, now);
    if (was_serving) {
        log_debug("relay channel lost", "channel", channel->id, "why", log_why(why), NULL);
        if (now - channel->live_ms >= CHANNEL_STABLE_MS)
            channel->attempts = 0;
        channel->lost_ms = channel->relay->dropped_ms = now;
    }
    if (was_refused_enough(channel, now))
        log_warn("a channel ends: the relay has refused it for long", "channel", channel->id, NULL);
    if (reaped || has_waited_enough(channel, now)) {
        channel_end(channel, why);
        return;
    }
    if (!was_serving || !park_if_rivalled(channel))
        wait_and_redial(channel, at_least_ms);
    unpark_rivals(channel);
    if (was_serving && channel->owner)
        channel->events->live(channel->owner, false);
}

void channel_lost(struct channel *channel, const struct fail *why, int64_t at_least_ms)
{
    if (channel->ws)
        ws_close(channel->ws, WS_NORMAL);
    channel->ws = NULL;
    buffer_fini(&channel->message);
    channel->resending = false;
    if (channel->state == CHANNEL_CLOSING)
        channel_die(channel);
    else if (channel->was_live)
        lost_after_live(channel, why, at_least_ms);
    else
        lost_before_live(channel, why);
}

void channel_lost_because(struct channel *channel, enum fail_kind kind, const char *text)
{
    struct fail why;
    fail_because(&why, kind, "%s", text);
    channel_lost(channel, &why, 0);
}

// --- the relay has answered

void channel_go_live(struct channel *channel)
{
    bool again = channel->was_live;
    set_state(channel, CHANNEL_LIVE);
    channel->was_live = true;
    channel->live_ms = clock_mono_ms();
    channel->refused_since_ms = 0;
    channel->resending = again;
    channel->resend_seq = 0;
    timer_stop(&channel->timer);
    if (again)
        log_debug("relay channel back", "channel", channel->id, NULL);
    if (channel->paused)
        ws_pause(channel->ws, true);
    ws_want_write(channel->ws);
    channel->events->live(channel->owner, true);
}

void channel_refused(struct channel *channel, const struct fail *why)
{
    if (channel->was_live) {
        log_warn("a terminal's relay channel was refused", "why", why->what, NULL);
        if (!channel->refused_since_ms)
            channel->refused_since_ms = clock_mono_ms();
    }
    channel_lost(channel, why, 0);
}

// --- events of the WebSocket

static void ws_opened(void *channel_)
{
    struct channel *channel = channel_;
    int64_t left = CHANNEL_ACK_MS;
    if (!channel->was_live)
        left = first_left(channel);
    timer_set(&channel->timer, left < CHANNEL_ACK_MS ? left : CHANNEL_ACK_MS);
    ws_want_write(channel->ws);
}

static void ws_closed(void *channel_, const struct fail *why)
{
    struct channel *channel = channel_;
    struct fail down = *why;
    channel->ws = NULL;
    down.kind = FAIL_STREAM_DOWN;
    channel_lost(channel, &down, 0);
}

// --- dialling

static void dial(struct channel *channel)
{
    static const struct ws_events events = {.opened = ws_opened,
                                            .received = channel_received,
                                            .writable = channel_writable,
                                            .closed = ws_closed};
    struct relay_dial now;
    struct fail why;
    set_state(channel, CHANNEL_REGISTERING);
    channel->open_sent = false;
    timer_stop(&channel->timer);
    if (!relay_dial_get(channel->relay, &now, &why)) {
        if (channel->was_live && !channel->refused_since_ms)
            channel->refused_since_ms = clock_mono_ms();
        channel_lost(channel, &why, 0);
        return;
    }
    int64_t timeout = CHANNEL_DIAL_MS;
    if (!channel->was_live) {
        timeout = first_left(channel);
        if (channel->attempts == 0)
            timeout = timeout * CHANNEL_FIRST_TRY_PERCENT / 100;
    }
    int64_t silence_ms = atomic_load(&channel->relay->silence_ms);
    char *path =
        relay_url_channel(&now.url, relay_workspace_id(channel->relay),
                          relay_agent_id(channel->relay), channel->policy.port, channel->id);
    struct ws_target target = {.tls = now.url.tls,
                               .host = now.url.host,
                               .port = now.url.port,
                               .path = path,
                               .ca_file = now.ca_file,
                               .timeout_ms = timeout,
                               .ping_ms = silence_ms / CHANNEL_PINGS,
                               .silence_ms = silence_ms};
    channel->ws = ws_dial(&target, &events, channel);
    mem_free(path);
    relay_dial_fini(&now);
}

static void timer_fired(struct stream_timer *timer)
{
    struct channel *channel = holder_of(timer, struct channel, timer);
    switch (channel->state) {
    case CHANNEL_WAITING: // the relay may have dropped us before its answer to the rival was here
        if (channel->attempts == 1 && channel->was_live && park_if_rivalled(channel))
            break;
        if (channel->was_live)
            redial_begin(&channel->redial, turn_has_come);
        else
            dial(channel);
        break;
    case CHANNEL_REGISTERING:
        channel_lost_because(channel, FAIL_STREAM_DOWN, "the relay did not answer in time");
        break;
    case CHANNEL_LIVE:
    case CHANNEL_PARKED:
        break;
    case CHANNEL_CLOSING:
        channel_die(channel);
        break;
    case CHANNEL_DEAD:
        free_channel(channel);
        break;
    }
}

// --- calls of the owner

struct channel *channel_new(struct relay *relay, const struct channel_policy *policy,
                            const char *channel_id, const struct channel_events *events,
                            void *owner)
{
    static uint64_t last;
    assert(stream_here() && owner && strlen(channel_id) <= CHANNEL_ID_BYTES_MAX);
    struct channel *channel = mem_new(struct channel);
    *channel = (struct channel){
        .next = relay->channels,
        .link = &relay->channels,
        .relay = relay_ref(relay),
        .policy = *policy,
        .number = ++last,
        .events = events,
        .owner = owner,
        .timer.fired = timer_fired,
        .created_ms = clock_mono_ms(),
    };
    snprintf(channel->id, sizeof channel->id, "%s", channel_id);
    if (relay->channels)
        relay->channels->link = &channel->next;
    relay->channels = channel;
    tail_init(&channel->tail);
    seen_init(&channel->seen);
    buffer_init(&channel->message, CHANNEL_MESSAGE_BYTES_MAX);
    set_state(channel, CHANNEL_WAITING);
    timer_set(&channel->timer, 0); // no event before the caller has the channel
    return channel;
}

void channel_hand_over(struct channel *channel, const struct channel_events *events, void *owner)
{
    assert(stream_here() && channel->owner && owner);
    channel->events = events;
    channel->owner = owner;
}

void channel_want_send(struct channel *channel)
{
    if (channel->state == CHANNEL_LIVE)
        ws_want_write(channel->ws);
}

void channel_pause(struct channel *channel, bool paused)
{
    channel->paused = paused;
    if (channel->state == CHANNEL_LIVE)
        ws_pause(channel->ws, paused);
}

void channel_redial(struct channel *channel)
{
    if (channel->was_live &&
        (channel->state == CHANNEL_WAITING || channel->state == CHANNEL_PARKED)) {
        set_state(channel, CHANNEL_WAITING);
        timer_set(&channel->timer, 0);
    }
}

void channel_close(struct channel *channel, enum stream_close reason, const char *message)
{
    assert(stream_here() && channel->owner);
    channel->owner = NULL;
    if (channel->state != CHANNEL_LIVE) {
        channel_die(channel);
        return;
    }
    set_state(channel, CHANNEL_CLOSING);
    channel->farewell = reason;
    snprintf(channel->farewell_message, sizeof channel->farewell_message, "%s", message);
    ws_pause(channel->ws, false);
    ws_want_write(channel->ws);
    timer_set(&channel->timer, CHANNEL_FAREWELL_MS);
}

void channel_retry_refused(struct relay *relay)
{
    for (struct channel *channel = relay->channels; channel; channel = channel->next)
        if (channel->refused_since_ms)
            channel_redial(channel);
}
