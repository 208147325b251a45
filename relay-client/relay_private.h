// The inside of a relay, for its channels.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "relay/relay.h"
#include "relay/url.h"

struct channel;

struct relay {
    atomic_uint references;
    atomic_int_fast64_t first_ms, refused_ms, silence_ms; // as in relay_settings
    atomic_bool disowned;
    char *workspace_id, *agent_id;
    atomic_bool may_input;
    pthread_mutex_t lock; // of the three
    char *url, *token, *ca_file;

    // of the stream thread
    struct channel *channels;
    int64_t dropped_ms; // when one of them lost its connection last
};

// What one dial needs, as it is now.
struct relay_dial {
    struct relay_url url;
    char *token, *ca_file; // ca_file may be NULL
};

// FAIL_STREAM when the address cannot be used; nothing is to be freed then.
bool relay_dial_get(struct relay *relay, struct relay_dial *dial, struct fail *why)
    __attribute__((warn_unused_result));
void relay_dial_fini(struct relay_dial *dial);
