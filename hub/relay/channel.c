#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "hub/relay/opening.h"
#include "hub/relay/relay_private.h"

struct channel *channel_find(struct relay *relay, const struct relay_query *query)
{
    struct channel *channel = relay->channels;
    while (channel && (channel->port != query->port || strcmp(channel->id, query->channel) != 0 ||
                       strcmp(channel->agent, query->agent) != 0 ||
                       strcmp(channel->workspace, query->workspace) != 0))
        channel = channel->next;
    return channel;
}

static size_t count_of(const struct relay *relay, const char *agent)
{
    size_t count = 0;
    for (const struct channel *channel = relay->channels; channel; channel = channel->next)
        count += strcmp(channel->agent, agent) == 0;
    return count;
}

struct channel *channel_new(struct relay *relay, const struct relay_query *query, int64_t now_ms)
{
    if (relay->channel_count >= RELAY_CHANNELS_MAX ||
        count_of(relay, query->agent) >= RELAY_CHANNELS_OF_AGENT_MAX)
        return NULL;
    struct channel *channel = mem_new(struct channel);
    channel->workspace = mem_string(query->workspace);
    channel->agent = mem_string(query->agent);
    channel->id = mem_string(query->channel);
    channel->port = query->port;
    channel->hold_until_ms = now_ms + relay->setup.limits.first_viewer_ms;
    channel->next = relay->channels;
    relay->channels = channel;
    relay->channel_count++;
    atomic_store(&relay->counters.channels, relay->channel_count);
    return channel;
}

void channel_free(struct relay *relay, struct channel *channel)
{
    struct channel **link = &relay->channels;
    while (*link != channel)
        link = &(*link)->next;
    *link = channel->next;
    relay->channel_count--;
    atomic_store(&relay->counters.channels, relay->channel_count);
    queue_fini(&channel->rings[0]);
    queue_fini(&channel->rings[1]);
    mem_free(channel->workspace);
    mem_free(channel->agent);
    mem_free(channel->id);
    mem_free(channel);
}

bool channel_raise_floors(struct channel *channel, const struct opening *opening)
{
    // Both are checked before either is raised.
    if (opening->lease_epoch < channel->lease_floor ||
        (opening->authority_epoch >= 0 && opening->authority_epoch < channel->authority_floor))
        return false;
    channel->lease_floor = opening->lease_epoch;
    if (opening->authority_epoch >= 0)
        channel->authority_floor = opening->authority_epoch;
    return true;
}

void relay_each(const struct relay *relay, const char *agent, int64_t now_ms,
                void (*visit)(void *context, const struct relay_sight *sight), void *context)
{
    for (const struct channel *channel = relay->channels; channel; channel = channel->next) {
        struct relay_sight sight = {.channel = channel->id,
                                    .port = channel->port,
                                    .agent = channel->ends[ROLE_AGENT],
                                    .viewer = channel->ends[ROLE_VIEWER],
                                    .idle_ms = now_ms - channel->touched_ms};
        if (strcmp(channel->agent, agent) == 0)
            visit(context, &sight);
    }
}

size_t channel_ring_bytes(const struct relay *relay)
{
    const struct relay_limits *limits = &relay->setup.limits;
    size_t part = limits->ring_total / (2 * (relay->channel_count ? relay->channel_count : 1));
    if (part < RELAY_RING_BYTES_MIN)
        part = RELAY_RING_BYTES_MIN;
    return part < limits->ring_bytes ? part : limits->ring_bytes;
}
