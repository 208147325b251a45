// Shared by relay.c and channel.c.
#pragma once

#include <pthread.h>

#include "base/random.h"
#include "hub/relay/opening.h"
#include "hub/relay/queue.h"
#include "hub/relay/relay.h"

struct channel {
    struct channel *next;
    char *workspace, *agent, *id;
    uint32_t port;
    struct peer *ends[2];                 // by enum relay_role
    struct queue rings[2];                // what that role has sent
    int64_t hold_until_ms;                // for the first viewer; 0: it has been here
    int64_t touched_ms;                   // by an end that came or went, or a frame
    int64_t lease_floor, authority_floor; // viewers below are of an older session
};

struct peer {
    struct relay *relay;
    struct peer *next;
    void *socket;
    struct relay_query query;
    struct channel *channel; // NULL: not opened yet, or over
    enum relay_role role;
    struct queue out;
    bool over;       // to be closed once out is sent
    bool dead;       // to be closed at once
    bool paused;     // not read from
    int64_t sign_ms; // since then, or of the latest sign of life
    int64_t began_ms;
    int64_t progress_ms; // when something was sent last, or the queue began to fill
    double credit;       // bytes it may send; negative: debt
    int64_t metered_ms, rate_until_ms;
};

struct relay_cut_order {
    char agent[UUID_BYTES];
    int64_t decided_ms; // what began later is none of its business
};

struct relay {
    struct relay_setup setup;
    struct relay_counters counters;
    struct peer *peers;
    struct channel *channels;
    size_t channel_count;
    pthread_mutex_t lock; // of what follows
    struct relay_cut_order *cut;
    size_t cut_count;
};

struct channel *channel_find(struct relay *relay, const struct relay_query *query);
// NULL when there are too many, of this machine or altogether.
struct channel *channel_new(struct relay *relay, const struct relay_query *query, int64_t now_ms);
void channel_free(struct relay *relay, struct channel *channel); // its ends have been detached

// False when the viewer belongs to an older session than one that was here; else the floors rise.
bool channel_raise_floors(struct channel *channel, const struct opening *opening);

size_t channel_ring_bytes(const struct relay *relay); // of one ring, now
