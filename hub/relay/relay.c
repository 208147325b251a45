#include "hub/relay/relay.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/relay/opening.h"
#include "hub/relay/relay_private.h"

const struct relay_limits relay_default_limits = {
    .ring_frames = RELAY_RING_FRAMES,
    .ring_bytes = RELAY_RING_BYTES,
    .ring_total = RELAY_RING_TOTAL_BYTES,
    .rate = RELAY_RATE_BYTES,
    .burst = RELAY_BURST_BYTES,
    .pair_ms = RELAY_PAIR_MS,
    .open_ms = RELAY_OPEN_MS,
    .first_viewer_ms = RELAY_FIRST_VIEWER_MS,
    .stall_ms = RELAY_STALL_MS,
};

struct relay *relay_new(const struct relay_setup *setup)
{
    struct relay *relay = mem_new(struct relay);
    relay->setup = *setup;
    pthread_mutex_init(&relay->lock, NULL);
    return relay;
}

void relay_free(struct relay *relay)
{
    if (!relay)
        return;
    assert(!relay->peers && !relay->channels);
    mem_free(relay->cut);
    pthread_mutex_destroy(&relay->lock);
    mem_free(relay);
}

const struct relay_counters *relay_counters(const struct relay *relay)
{
    return &relay->counters;
}

struct peer *relay_accept(struct relay *relay, void *socket, const struct relay_query *query,
                          int64_t now_ms)
{
    struct peer *peer = mem_new(struct peer);
    *peer = (struct peer){.relay = relay, .socket = socket, .began_ms = now_ms};
    peer->query = (struct relay_query){.workspace = mem_string(query->workspace),
                                       .agent = mem_string(query->agent),
                                       .channel = mem_string(query->channel),
                                       .port = query->port};
    peer->next = relay->peers;
    relay->peers = peer;
    return peer;
}

size_t relay_message_max(const struct peer *peer)
{
    return peer->channel ? RELAY_MESSAGE_BYTES_MAX : RELAY_OPEN_BYTES_MAX;
}

static void send_frame(struct peer *peer, struct frame *frame, int64_t now_ms)
{
    if (peer->out.count == 0)
        peer->progress_ms = now_ms;
    queue_push(&peer->out, frame);
    if (peer->out.bytes > atomic_load(&peer->relay->counters.high_water))
        atomic_store(&peer->relay->counters.high_water, peer->out.bytes);
    peer->relay->setup.wake(peer->socket);
}

static struct peer *other_end(const struct peer *peer)
{
    return peer->channel ? peer->channel->ends[!peer->role] : NULL;
}

// Half of what can be kept has come before anybody has looked.
static bool too_early(const struct peer *peer, int64_t now_ms)
{
    const struct channel *channel = peer->channel;
    if (!channel || peer->role != ROLE_AGENT || now_ms >= channel->hold_until_ms)
        return false;
    const struct queue *ring = &channel->rings[ROLE_AGENT];
    return ring->bytes > channel_ring_bytes(peer->relay) / 2 ||
           ring->count > peer->relay->setup.limits.ring_frames / 2;
}

// An end is not read from while the other one has much to take, or for being too fast. Two marks,
// so that it does not stop and go with every frame.
static void update_pause(struct peer *peer, int64_t now_ms)
{
    const struct peer *other = other_end(peer);
    size_t waiting = other ? other->out.bytes : 0;
    bool full = waiting > (peer->paused ? RELAY_QUEUE_LOW_BYTES : RELAY_QUEUE_HIGH_BYTES);
    bool paused = full || peer->rate_until_ms > now_ms || !peer->channel || too_early(peer, now_ms);
    if (paused != peer->paused) {
        peer->paused = paused;
        peer->sign_ms = now_ms;
        peer->relay->setup.pause(peer->socket, paused);
    }
}

// Leaves its channel; the socket is closed when what was promised to it has been sent.
static void detach(struct peer *peer)
{
    if (peer->channel && peer->channel->ends[peer->role] == peer)
        peer->channel->ends[peer->role] = NULL;
    peer->channel = NULL;
    peer->over = true;
    peer->relay->setup.wake(peer->socket);
}

static void reject(struct peer *peer, const char *reason, int64_t now_ms)
{
    struct frame *answer = opening_reject(reason);
    atomic_fetch_add(&peer->relay->counters.rejected, 1);
    log_debug("relay refuses", "reason", reason, "agent", peer->query.agent, NULL);
    send_frame(peer, answer, now_ms);
    frame_unref(answer);
    detach(peer);
}

static void replay(struct peer *peer, const struct queue *ring, uint64_t from, int64_t now_ms)
{
    for (size_t i = 0; i < ring->count; i++)
        if (queue_at(ring, i)->seq >= from)
            send_frame(peer, queue_at(ring, i), now_ms);
}

static void attach(struct peer *peer, struct channel *channel, const struct opening *opening,
                   int64_t now_ms)
{
    struct peer *old = channel->ends[opening->role];
    if (old) {
        atomic_fetch_add(&peer->relay->counters.reconnects, 1);
        detach(old);
        update_pause(old, now_ms);
    }
    peer->channel = channel;
    peer->role = opening->role;
    channel->ends[peer->role] = peer;
    channel->touched_ms = now_ms;
    if (peer->role == ROLE_VIEWER)
        channel->hold_until_ms = 0;
    atomic_fetch_add(&peer->relay->counters.accepted, 1);
    struct frame *answer = opening_accept(opening->resume_from);
    send_frame(peer, answer, now_ms);
    frame_unref(answer);
    replay(peer, &channel->rings[!peer->role], opening->resume_from, now_ms);
    if (other_end(peer))
        update_pause(other_end(peer), now_ms);
}

static void open_channel(struct peer *peer, struct frame *message, int64_t now_ms)
{
    struct opening opening;
    char reason[OPENING_REASON_BYTES];
    if (!opening_check(&peer->relay->setup, &peer->query, message, clock_wall_ms() / 1000, &opening,
                       reason)) {
        reject(peer, reason, now_ms);
        return;
    }
    struct channel *channel = channel_find(peer->relay, &peer->query);
    if (channel && opening.role == ROLE_VIEWER && !channel_raise_floors(channel, &opening)) {
        reject(peer, "stale epoch (a newer sandbox is active)", now_ms);
        return;
    }
    if (!channel && !(channel = channel_new(peer->relay, &peer->query, now_ms))) {
        reject(peer, "too many channels", now_ms);
        return;
    }
    if (opening.role == ROLE_VIEWER)
        channel_raise_floors(channel, &opening);
    attach(peer, channel, &opening, now_ms);
}

// Whoever sends faster than the rate runs into debt, and is read from again when that is paid.
static void meter(struct peer *peer, size_t size, int64_t now_ms)
{
    const struct relay_limits *limits = &peer->relay->setup.limits;
    if (limits->rate <= 0)
        return;
    double earned = (double)(now_ms - peer->metered_ms) / 1000 * limits->rate;
    peer->credit = peer->metered_ms == 0                   ? limits->burst
                   : peer->credit + earned > limits->burst ? limits->burst
                                                           : peer->credit + earned;
    peer->metered_ms = now_ms;
    peer->credit -= (double)size;
    if (peer->credit < 0) {
        peer->rate_until_ms = now_ms + (int64_t)(-peer->credit / limits->rate * 1000) + 1;
        atomic_fetch_add(&peer->relay->counters.rate_pauses, 1);
    }
}

static void forward_data(struct peer *peer, struct frame *message, int64_t now_ms)
{
    struct relay_counters *counters = &peer->relay->counters;
    struct channel *channel = peer->channel;
    struct peer *other = other_end(peer);
    channel->touched_ms = now_ms;
    meter(peer, message->data_size, now_ms);
    queue_push(&channel->rings[peer->role], message);
    queue_trim(&channel->rings[peer->role], peer->relay->setup.limits.ring_frames,
               channel_ring_bytes(peer->relay));
    if (other) {
        send_frame(other, message, now_ms);
        atomic_fetch_add(&counters->frames, 1);
        atomic_fetch_add(peer->role == ROLE_AGENT ? &counters->to_viewer_bytes
                                                  : &counters->to_agent_bytes,
                         message->data_size);
    }
    update_pause(peer, now_ms);
}

static void forward_input(struct peer *peer, struct frame *message, int64_t now_ms)
{
    struct peer *agent = other_end(peer);
    if (peer->role == ROLE_VIEWER && agent && agent->out.count < RELAY_INPUTS_MAX) {
        peer->channel->touched_ms = now_ms;
        send_frame(agent, message, now_ms);
    }
}

static void close_channel(struct peer *peer, struct frame *message, int64_t now_ms)
{
    struct channel *channel = peer->channel;
    struct peer *other = other_end(peer);
    if (other) {
        send_frame(other, message, now_ms);
        detach(other);
    }
    detach(peer);
    channel_free(peer->relay, channel);
}

bool relay_received(struct peer *peer, struct frame *message, int64_t now_ms)
{
    enum frame_tag tag;
    if (peer->over) {
        // Replaced, refused or ended: only its queue is still sent.
    } else if (!peer->channel) {
        open_channel(peer, message, now_ms);
    } else if (frame_parse(message, &tag)) {
        if (tag == FRAME_DATA)
            forward_data(peer, message, now_ms);
        else if (tag == FRAME_INPUT)
            forward_input(peer, message, now_ms);
        else if (tag == FRAME_CLOSE)
            close_channel(peer, message, now_ms);
    }
    frame_unref(message);
    return !relay_is_over(peer);
}

struct frame *relay_next(struct peer *peer)
{
    return peer->out.count > 0 ? queue_at(&peer->out, 0) : NULL;
}

void relay_sent(struct peer *peer, int64_t now_ms)
{
    queue_pop(&peer->out);
    peer->progress_ms = now_ms;
    if (other_end(peer))
        update_pause(other_end(peer), now_ms);
}

bool relay_is_over(const struct peer *peer)
{
    return peer->dead || (peer->over && peer->out.count == 0);
}

void relay_gone(struct peer *peer, int64_t now_ms)
{
    struct relay *relay = peer->relay;
    struct channel *channel = peer->channel;
    if (channel) {
        struct peer *other = other_end(peer);
        channel->ends[peer->role] = NULL;
        if (other) {
            channel->touched_ms = now_ms;
            update_pause(other, now_ms);
        } else {
            channel_free(relay, channel);
        }
    }
    struct peer **link = &relay->peers;
    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    queue_fini(&peer->out);
    mem_free((char *)peer->query.workspace);
    mem_free((char *)peer->query.agent);
    mem_free((char *)peer->query.channel);
    mem_free(peer);
}

static void kill_peer(struct peer *peer)
{
    detach(peer);
    peer->dead = true;
    peer->relay->setup.wake(peer->socket);
}

static void end_channel(struct relay *relay, struct channel *channel)
{
    for (int role = 0; role < 2; role++)
        if (channel->ends[role])
            kill_peer(channel->ends[role]);
    channel_free(relay, channel);
}

static void give_sign_of_life(struct peer *peer, int64_t now_ms)
{
    if (!peer->paused || now_ms - peer->sign_ms < RELAY_SIGN_MS)
        return;
    peer->sign_ms = now_ms;
    peer->relay->setup.sign_of_life(peer->socket);
}

static void tick_peers(struct relay *relay, int64_t now_ms)
{
    const struct relay_limits *limits = &relay->setup.limits;
    for (struct peer *peer = relay->peers; peer; peer = peer->next) {
        if (peer->dead)
            continue;
        if (peer->out.count > 0 && now_ms - peer->progress_ms > limits->stall_ms) {
            atomic_fetch_add(&relay->counters.stalls, 1);
            log_info("relay drops an end that takes nothing", "agent", peer->query.agent, NULL);
            struct peer *other = other_end(peer);
            struct channel *channel = peer->channel;
            kill_peer(peer);
            if (other)
                update_pause(other, now_ms);
            else if (channel)
                channel_free(relay, channel);
        } else if (!peer->channel && !peer->over && now_ms - peer->began_ms > limits->open_ms) {
            kill_peer(peer);
        } else if (peer->paused) {
            update_pause(peer, now_ms);
            give_sign_of_life(peer, now_ms);
        }
    }
}

// Ends what began before the machine was cut.
static void cut_channel(struct relay *relay, struct channel *channel)
{
    for (size_t i = 0; i < relay->cut_count; i++)
        for (int role = 0; role < 2; role++) {
            struct peer *peer = channel->ends[role];
            if (peer && strcmp(relay->cut[i].agent, channel->agent) == 0 &&
                peer->began_ms < relay->cut[i].decided_ms)
                kill_peer(peer);
        }
}

void relay_tick(struct relay *relay, int64_t now_ms)
{
    tick_peers(relay, now_ms);
    pthread_mutex_lock(&relay->lock);
    for (struct channel *channel = relay->channels, *next; channel; channel = next) {
        next = channel->next;
        cut_channel(relay, channel);
        bool empty = !channel->ends[0] && !channel->ends[1];
        bool halved = !channel->ends[0] || !channel->ends[1];
        if (empty || (halved && now_ms - channel->touched_ms > relay->setup.limits.pair_ms))
            end_channel(relay, channel);
    }
    relay->cut_count = 0;
    pthread_mutex_unlock(&relay->lock);
}

void relay_cut(struct relay *relay, const char *agent, int64_t now_ms)
{
    pthread_mutex_lock(&relay->lock);
    relay->cut = mem_resize(relay->cut, (relay->cut_count + 1) * sizeof *relay->cut);
    struct relay_cut_order *order = &relay->cut[relay->cut_count++];
    order->decided_ms = now_ms;
    snprintf(order->agent, sizeof order->agent, "%s", agent);
    pthread_mutex_unlock(&relay->lock);
}
