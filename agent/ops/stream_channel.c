#include "ops/stream_channel.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/random.h"
#include "relay/relay.h"

void stream_id_make(char id[STREAM_ID_BYTES])
{
    unsigned char bytes[16];
    random_bytes(bytes, sizeof bytes);
    snprintf(id, STREAM_ID_BYTES, "ch-");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(id + 3 + 2 * i, 3, "%02x", bytes[i]);
}

Og__StreamChannel *stream_channel_of(const struct op *op, const char *id, Og__StreamKind kind,
                                     uint32_t port)
{
    Og__StreamChannel *channel = arena_alloc(op->arena, sizeof *channel);
    if (!channel)
        return NULL;
    og__stream_channel__init(channel);
    channel->channel_id = arena_string(op->arena, id);
    channel->workspace_id = arena_string(op->arena, relay_workspace_id(op->relay));
    channel->agent_id = arena_string(op->arena, relay_agent_id(op->relay));
    channel->kind = kind;
    channel->port = port;
    return channel->channel_id && channel->workspace_id && channel->agent_id ? channel : NULL;
}
