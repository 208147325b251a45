#include "relay/relay.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "relay/channel.h"
#include "relay/relay_private.h"
#include "relay/stream_thread.h"

static void set(struct relay *relay, const struct relay_settings *settings)
{
    relay->url = mem_string(settings->url);
    relay->token = mem_string(settings->token);
    relay->ca_file = settings->ca_file ? mem_string(settings->ca_file) : NULL;
    atomic_store(&relay->may_input, settings->may_input);
    atomic_store(&relay->first_ms, settings->first_ms ? settings->first_ms : CHANNEL_FIRST_MS);
    atomic_store(&relay->refused_ms,
                 settings->refused_ms ? settings->refused_ms : CHANNEL_REFUSED_MS);
    atomic_store(&relay->silence_ms,
                 settings->silence_ms ? settings->silence_ms : CHANNEL_SILENCE_MS);
}

static void clear(struct relay *relay)
{
    mem_free(relay->url);
    mem_free_secret(relay->token);
    mem_free(relay->ca_file);
}

struct relay *relay_new(const struct relay_settings *settings)
{
    struct relay *relay = mem_new(struct relay);
    atomic_init(&relay->references, 1);
    pthread_mutex_init(&relay->lock, NULL);
    relay->workspace_id = mem_string(settings->workspace_id);
    relay->agent_id = mem_string(settings->agent_id);
    set(relay, settings);
    return relay;
}

struct relay *relay_ref(struct relay *relay)
{
    atomic_fetch_add(&relay->references, 1);
    return relay;
}

void relay_unref(struct relay *relay)
{
    if (!relay || atomic_fetch_sub(&relay->references, 1) != 1)
        return;
    clear(relay);
    mem_free(relay->workspace_id);
    mem_free(relay->agent_id);
    pthread_mutex_destroy(&relay->lock);
    mem_free(relay);
}

static void retry_refused(void *relay)
{
    channel_retry_refused(relay);
    relay_unref(relay);
}

void relay_change(struct relay *relay, const struct relay_settings *settings)
{
    pthread_mutex_lock(&relay->lock);
    clear(relay);
    set(relay, settings);
    pthread_mutex_unlock(&relay->lock);
    if (!stream_post(retry_refused, relay_ref(relay)))
        relay_unref(relay);
}

bool relay_is_named(struct relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    bool named = *relay->url != '\0';
    pthread_mutex_unlock(&relay->lock);
    return named;
}

bool relay_may_input(struct relay *relay)
{
    return atomic_load(&relay->may_input);
}

void relay_disown(struct relay *relay, bool disowned)
{
    atomic_store(&relay->disowned, disowned);
}

const char *relay_workspace_id(const struct relay *relay)
{
    return relay->workspace_id;
}

const char *relay_agent_id(const struct relay *relay)
{
    return relay->agent_id;
}

bool relay_dial_get(struct relay *relay, struct relay_dial *dial, struct fail *why)
{
    pthread_mutex_lock(&relay->lock);
    bool good = relay_url_parse(relay->url, &dial->url, why);
    if (good && strlen(relay->token) > RELAY_TOKEN_BYTES_MAX)
        good = fail_because(why, FAIL_STREAM, "the relay's token is too long");
    if (good) {
        dial->token = mem_string(relay->token);
        dial->ca_file = relay->ca_file ? mem_string(relay->ca_file) : NULL;
    }
    pthread_mutex_unlock(&relay->lock);
    return good;
}

void relay_dial_fini(struct relay_dial *dial)
{
    mem_free_secret(dial->token);
    mem_free(dial->ca_file);
}
