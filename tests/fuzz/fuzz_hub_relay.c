// Two ends of a channel, each sending what the input says: one byte for the length of a message and
// for who sends it, then the message.
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "hub/digest.h"
#include "hub/relay/opening.h"
#include "hub/relay/relay.h"
#include "hub/signed_token.h"

static void nothing(void *socket)
{
    (void)socket;
}

static void no_pause(void *socket, bool paused)
{
    (void)socket, (void)paused;
}

static bool everybody(void *context, const char *agent, int64_t generation)
{
    (void)context, (void)agent, (void)generation;
    return true;
}

static struct peer *send(struct peer *peer, const void *data, size_t size)
{
    struct frame *frame = frame_new(size);
    frame = frame_append(frame, data, size);
    bool open = relay_received(peer, frame, 1000);
    while (relay_next(peer))
        relay_sent(peer, 1000);
    if (open && !relay_is_over(peer))
        return peer;
    relay_gone(peer, 1000);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // StreamOpen of an agent (1) or a viewer (2) for channel c of agent a in workspace w, port 1.
    static const unsigned char key[DIGEST_BYTES] = "fuzz", head[] = "\x01\x0a\x0b\x0a\x01"
                                                                    "c\x12\x01w\x1a\x01"
                                                                    "a\x28\x01";
    log_set_level(LOG_OFF);
    const struct relay_setup setup = {.limits = relay_default_limits,
                                      .producer_key = key,
                                      .viewer_key = key,
                                      .is_known = everybody,
                                      .wake = nothing,
                                      .pause = no_pause,
                                      .sign_of_life = nothing};
    struct relay *relay = relay_new(&setup);
    const struct relay_query query = {"w", "a", "c", 1};
    struct peer *peers[3];
    for (int i = 0; i < 3; i++)
        peers[i] = relay_accept(relay, NULL, &query, 1000);
    for (int role = 1; role <= 2; role++) {
        char *token = signed_token_mint(role == 1 ? TOKEN_PRODUCER : TOKEN_VIEWER, key,
                                        json_pack("{s:s, s:s, s:i, s:i, s:I}", "workspaceId", "w",
                                                  "agentId", "a", "leaseEpoch", 1, "port", 1, "exp",
                                                  (json_int_t)4102444800));
        unsigned char message[512];
        size_t used = sizeof head - 1, length = strlen(token);
        memcpy(message, head, used);
        message[used++] = 0x12;
        message[used++] = (unsigned char)(length | 0x80);
        message[used++] = (unsigned char)(length >> 7);
        memcpy(message + used, token, length);
        used += length;
        message[used++] = 0x18;
        message[used++] = (unsigned char)role;
        peers[role] = send(peers[role], message, used);
        mem_free(token);
    }
    while (size > 0) {
        size_t length = *data >> 2, who = *data & 3;
        data++, size--;
        length = length < size ? length : size;
        if (who < 3 && peers[who])
            peers[who] = send(peers[who], data, length);
        data += length, size -= length;
    }
    relay_tick(relay, 1000000000);
    for (int i = 0; i < 3; i++)
        if (peers[i])
            relay_gone(peers[i], 1000);
    relay_free(relay);
    return 0;
}
