#include "hub/relay/opening.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/limits.h"
#include "hub/signed_token.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "proto/opengeni_agent.pb-c.h"

static bool refuse(char reason[OPENING_REASON_BYTES], const char *text)
{
    snprintf(reason, OPENING_REASON_BYTES, "%s", text);
    return false;
}

static bool matches(const Og__StreamChannel *channel, const struct relay_query *query)
{
    return strcmp(channel->workspace_id, query->workspace) == 0 &&
           strcmp(channel->agent_id, query->agent) == 0 &&
           strcmp(channel->channel_id, query->channel) == 0 && channel->port == query->port;
}

static const char *text_claim(json_t *claims, const char *name)
{
    const char *text = json_string_value(json_object_get(claims, name));
    return text ? text : "";
}

static int64_t number_claim(json_t *claims, const char *name, int64_t otherwise)
{
    json_t *value = json_object_get(claims, name);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static bool check_agent(const struct relay_setup *setup, const struct relay_query *query,
                        const char *token, int64_t now_s, char reason[OPENING_REASON_BYTES])
{
    const char *why;
    json_t *claims =
        signed_token_verify(TOKEN_PRODUCER, setup->producer_key, token, strlen(token), now_s, &why);
    bool good = false;
    if (!claims)
        snprintf(reason, OPENING_REASON_BYTES, "agent token: %s", why);
    else if (strcmp(text_claim(claims, "workspaceId"), query->workspace) != 0 ||
             strcmp(text_claim(claims, "agentId"), query->agent) != 0)
        refuse(reason, "agent token scope does not match the channel key");
    else if (!setup->is_known(setup->context, query->agent,
                              number_claim(claims, "credentialGeneration", 1)))
        refuse(reason, "agent token: machine is revoked or has enrolled again");
    else
        good = true;
    json_decref(claims);
    return good;
}

static bool check_viewer(const struct relay_setup *setup, const struct relay_query *query,
                         const char *token, int64_t now_s, struct opening *opening,
                         char reason[OPENING_REASON_BYTES])
{
    const char *why;
    json_t *claims =
        signed_token_verify(TOKEN_VIEWER, setup->viewer_key, token, strlen(token), now_s, &why);
    json_t *agent = json_object_get(claims, "agentId"); // our own tokens say for which machine
    bool good = false;
    opening->lease_epoch = number_claim(claims, "leaseEpoch", -1);
    opening->authority_epoch = number_claim(claims, "authorityEpoch", -1);
    if (!claims)
        snprintf(reason, OPENING_REASON_BYTES, "viewer token: %s", why);
    else if (opening->lease_epoch < 0)
        refuse(reason, "viewer token: token claims are invalid");
    else if (strcmp(text_claim(claims, "workspaceId"), query->workspace) != 0)
        refuse(reason, "viewer token workspace does not match the channel key");
    else if (number_claim(claims, "port", -1) != (int64_t)query->port)
        refuse(reason, "viewer token port does not match the channel key");
    else if (agent && strcmp(text_claim(claims, "agentId"), query->agent) != 0)
        refuse(reason, "viewer token agent does not match the channel key");
    else
        good = true;
    json_decref(claims);
    return good;
}

static bool check(const struct relay_setup *setup, const struct relay_query *query,
                  const Og__StreamOpen *open, int64_t now_s, struct opening *opening,
                  char reason[OPENING_REASON_BYTES])
{
    if (!open->channel)
        return refuse(reason, "StreamOpen carried no channel key");
    if (!matches(open->channel, query))
        return refuse(reason, "channel key does not match the dial query");
    opening->resume_from = open->resume_from_seq;
    switch (open->role) {
    case OG__STREAM_ROLE__STREAM_ROLE_AGENT:
        opening->role = ROLE_AGENT;
        return check_agent(setup, query, open->token, now_s, reason);
    case OG__STREAM_ROLE__STREAM_ROLE_CLIENT:
        opening->role = ROLE_VIEWER;
        return check_viewer(setup, query, open->token, now_s, opening, reason);
    default:
        return refuse(reason, "StreamOpen had an unspecified role");
    }
}

bool opening_check(const struct relay_setup *setup, const struct relay_query *query,
                   const struct frame *message, int64_t now_s, struct opening *opening,
                   char reason[OPENING_REASON_BYTES])
{
    static const char *const names[] = {[FRAME_ACK] = "OpenAck",
                                        [FRAME_DATA] = "Frame",
                                        [FRAME_CLOSE] = "Close",
                                        [FRAME_INPUT] = "DesktopInput"};
    if (message->size == 0 || message->bytes[0] < FRAME_OPEN || message->bytes[0] > FRAME_INPUT)
        return refuse(reason, "undecodable StreamOpen: unknown tag");
    if (message->bytes[0] != FRAME_OPEN) {
        snprintf(reason, OPENING_REASON_BYTES, "expected StreamOpen, got %s",
                 names[message->bytes[0]]);
        return false;
    }
    struct arena arena;
    struct fail why;
    arena_init(&arena, RELAY_OPEN_ARENA_BYTES);
    const Og__StreamOpen *open = decode_message(&arena, &og__stream_open__descriptor,
                                                message->bytes + 1, message->size - 1, &why);
    bool good = false;
    if (open)
        good = check(setup, query, open, now_s, opening, reason);
    else
        snprintf(reason, OPENING_REASON_BYTES, "undecodable StreamOpen: %.100s", why.what);
    arena_fini(&arena);
    return good;
}

static struct frame *encode_ack(const Og__StreamOpenAck *ack)
{
    size_t size = encode_size(&ack->base);
    struct frame *frame = frame_new(1 + size);
    frame->bytes[0] = FRAME_ACK;
    encode_message(&ack->base, frame->bytes + 1, size);
    frame->size = 1 + size;
    return frame;
}

struct frame *opening_accept(uint64_t resume_from)
{
    Og__StreamOpenAck ack = OG__STREAM_OPEN_ACK__INIT;
    ack.accepted = true;
    ack.resume_from_seq = resume_from;
    return encode_ack(&ack);
}

struct frame *opening_reject(const char *reason)
{
    Og__StreamOpenAck ack = OG__STREAM_OPEN_ACK__INIT;
    Og__AgentError error = OG__AGENT_ERROR__INIT;
    error.code = OG__ERROR_CODE__ERROR_CODE_STREAM;
    error.message = (char *)reason;
    ack.error = &error;
    return encode_ack(&ack);
}
