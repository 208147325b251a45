#include "ctl/rpc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/random.h"
#include "ctl/fault.h"
#include "ctl/interrupt.h"
#include "proto/decode.h"
#include "proto/encode.h"

struct rpc {
    natsConnection *nats;
    // Synchronous: the reader thread wakes the waiter itself, with no delivery thread in between.
    natsSubscription *replies;
    char *inbox;
    struct rpc *beside;
    natsStatistics *statistics;
    uint64_t serial;
    struct call *calls[CTL_CALLS_MAX];
    uint32_t next_slot;
};

int64_t rpc_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool server_fault(const struct rpc *rpc, natsStatus status, struct fault *fault)
{
    if (natsConnection_IsClosed(rpc->nats))
        return fault_set(fault, FAULT_SERVER, "the connection to the server is lost");
    const char *text = nats_GetLastError(NULL);
    return fault_set(fault, FAULT_SERVER, "%s", text && *text ? text : natsStatus_GetText(status));
}

bool rpc_new(natsConnection *nats, struct rpc **out, struct fault *fault)
{
    struct rpc *rpc = mem_new(struct rpc);
    rpc->nats = nats;
    natsInbox *inbox = NULL;
    natsStatus status = natsInbox_Create(&inbox);
    if (status == NATS_OK) {
        rpc->inbox = mem_string(inbox);
        natsInbox_Destroy(inbox);
        char *wildcard = mem_printf("%s.*", rpc->inbox);
        status = natsConnection_SubscribeSync(&rpc->replies, nats, wildcard);
        mem_free(wildcard);
    }
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(rpc->replies, -1, -1);
    if (status == NATS_OK)
        status = natsStatistics_Create(&rpc->statistics);
    if (status != NATS_OK) {
        server_fault(rpc, status, fault);
        rpc_free(rpc);
        return false;
    }
    *out = rpc;
    return true;
}

bool rpc_beside(struct rpc *rpc, struct rpc **out, struct fault *fault)
{
    if (!rpc->beside && !rpc_new(rpc->nats, &rpc->beside, fault))
        return false;
    *out = rpc->beside;
    return true;
}

void rpc_free(struct rpc *rpc)
{
    if (!rpc)
        return;
    rpc_free(rpc->beside);
    for (size_t i = 0; i < CTL_CALLS_MAX; i++)
        rpc_drop(rpc, rpc->calls[i]);
    natsSubscription_Destroy(rpc->replies);
    natsStatistics_Destroy(rpc->statistics);
    mem_free(rpc->inbox);
    mem_free(rpc);
}

size_t rpc_max_payload(const struct rpc *rpc)
{
    int64_t max = natsConnection_GetMaxPayload(rpc->nats);
    return max > 0 ? (size_t)max : 0;
}

static uint64_t reconnects(const struct rpc *rpc)
{
    uint64_t count = 0;
    if (natsConnection_GetStats(rpc->nats, rpc->statistics) == NATS_OK)
        natsStatistics_GetCounts(rpc->statistics, NULL, NULL, NULL, NULL, &count);
    return count;
}

static struct call *new_call(struct rpc *rpc)
{
    for (uint32_t i = 0; i < CTL_CALLS_MAX; i++) {
        uint32_t slot = (rpc->next_slot + i) % CTL_CALLS_MAX;
        if (rpc->calls[slot])
            continue;
        struct call *call = mem_new(struct call);
        call->slot = slot;
        call->serial = ++rpc->serial;
        rpc->calls[slot] = call;
        rpc->next_slot = (slot + 1) % CTL_CALLS_MAX;
        return call;
    }
    return NULL;
}

bool rpc_send_raw(struct rpc *rpc, const char *subject, const void *data, size_t size,
                  struct call **out, struct fault *fault)
{
    size_t max = rpc_max_payload(rpc);
    if (max > 0 && size > max)
        return fault_set(fault, FAULT_LOCAL,
                         "the request has %zu bytes, but the server takes messages of %zu at most",
                         size, max);
    struct call *call = new_call(rpc);
    assert(call); // nothing in this program has so many in flight
    char reply[128];
    snprintf(reply, sizeof reply, "%s.%u-%llu", rpc->inbox, call->slot,
             (unsigned long long)call->serial);
    call->reconnects = reconnects(rpc);
    call->sent_ns = rpc_now_ns();
    natsStatus status = natsConnection_PublishRequest(rpc->nats, subject, reply, data, (int)size);
    // A connection that breaks just now is made again; whether the request got through, nobody
    // knows.
    bool broken = status == NATS_IO_ERROR && !natsConnection_IsClosed(rpc->nats);
    if (status != NATS_OK && !broken) {
        rpc_drop(rpc, call);
        return server_fault(rpc, status, fault);
    }
    call->subject = mem_string(subject);
    *out = call;
    return true;
}

bool rpc_send(struct rpc *rpc, const char *subject, const Og__ControlRequest *request,
              struct call **out, struct fault *fault)
{
    char id[UUID_BYTES];
    random_uuid(id);
    Og__ControlRequest named = *request;
    named.request_id = id;
    if (!encode_is_valid(&named.base))
        return fault_set(fault, FAULT_LOCAL, "a path or an argument is not UTF-8, as it has to be");
    size_t size = encode_size(&named.base);
    if (size > REQUEST_BYTES_MAX)
        return fault_set(fault, FAULT_LOCAL,
                         "the request has %zu bytes: more than any server takes", size);
    unsigned char *data = mem_array(size, 1);
    encode_message(&named.base, data, size);
    bool ok = rpc_send_raw(rpc, subject, data, size, out, fault);
    if (ok)
        (*out)->id = mem_string(id);
    mem_free(data);
    return ok;
}

// The call that a reply subject names, or NULL: it has been dropped.
static struct call *find_call(const struct rpc *rpc, const char *subject)
{
    const char *token = strrchr(subject, '.');
    if (!token)
        return NULL;
    char *end;
    unsigned long slot = strtoul(token + 1, &end, 10);
    if (slot >= CTL_CALLS_MAX || *end != '-' || !rpc->calls[slot])
        return NULL;
    return rpc->calls[slot]->serial == strtoull(end + 1, NULL, 10) ? rpc->calls[slot] : NULL;
}

// nats.c swallows the message by which the server says that nobody listens, and with it the name of
// the call. The server says so at once and in order, so it is the oldest one without a reply.
static struct call *oldest_call(const struct rpc *rpc)
{
    struct call *oldest = NULL;
    for (size_t i = 0; i < CTL_CALLS_MAX; i++) {
        struct call *call = rpc->calls[i];
        if (call && !call->arrived_ns && (!oldest || call->serial < oldest->serial))
            oldest = call;
    }
    return oldest;
}

struct call *rpc_any(struct rpc *rpc, int64_t until_ms, struct fault *fault)
{
    for (;;) {
        if (interrupted()) {
            fault_set(fault, FAULT_INTERRUPTED, "interrupted");
            return NULL;
        }
        int64_t left = until_ms - clock_mono_ms();
        if (left < 0)
            left = 0;
        natsMsg *message = NULL;
        natsStatus status = natsSubscription_NextMsg(
            &message, rpc->replies, left < CTL_WAIT_SLICE_MS ? left : CTL_WAIT_SLICE_MS);
        struct call *call = NULL;
        if (status == NATS_OK) {
            call = find_call(rpc, natsMsg_GetSubject(message));
        } else if (status == NATS_NO_RESPONDERS) {
            call = oldest_call(rpc);
        } else if (status != NATS_TIMEOUT) {
            server_fault(rpc, status, fault);
            return NULL;
        } else if (left == 0) {
            fault_set(fault, FAULT_TIMEOUT, "no answer");
            return NULL;
        }
        if (!call || call->arrived_ns) {
            natsMsg_Destroy(message); // too late, or twice
            continue;
        }
        call->arrived_ns = rpc_now_ns();
        call->message = message;
        call->nobody = !message;
        return call;
    }
}

bool rpc_wait(struct rpc *rpc, struct call *call, int64_t until_ms, struct fault *fault)
{
    int64_t shaken_ms = 0;
    while (!call->arrived_ns) {
        int64_t now = clock_mono_ms(), next = now + CTL_RECONNECT_MS;
        if (rpc_any(rpc, next < until_ms ? next : until_ms, fault))
            continue;
        if (fault->kind != FAULT_TIMEOUT || now >= until_ms)
            return false;
        if (!shaken_ms && rpc_shaken(rpc, call))
            shaken_ms = now;
        if (shaken_ms && now - shaken_ms > CTL_SHAKEN_MS)
            return false;
    }
    return true;
}

bool rpc_shaken(const struct rpc *rpc, const struct call *call)
{
    return reconnects(rpc) != call->reconnects;
}

bool rpc_take(struct rpc *rpc, struct call *call, struct reply *reply, struct fault *fault)
{
    assert(call->arrived_ns);
    *reply = (struct reply){.nats = call->message};
    call->message = NULL;
    bool nobody = call->nobody;
    char *id = call->id, *subject = call->subject;
    call->id = call->subject = NULL;
    rpc_drop(rpc, call);
    size_t size = reply->nats ? (size_t)natsMsg_GetDataLength(reply->nats) : 0;
    arena_init(&reply->arena, REQUEST_ARENA_BASE + REQUEST_ARENA_FACTOR * size);
    struct fail why;
    const Og__ControlResponse *message = NULL;
    if (nobody) {
        fault_set(fault, FAULT_OFFLINE, "offline: nobody listens on %s", subject);
    } else if (!(message = decode_message(&reply->arena, &og__control_response__descriptor,
                                          natsMsg_GetData(reply->nats), size, &why))) {
        fault_fail(fault, FAULT_LOCAL, &why);
    } else if (message->error) {
        fault_agent(fault, message->error);
    } else if (id && strcmp(message->request_id, id) != 0) {
        fault_set(fault, FAULT_LOCAL, "the answer is to another request");
    } else if (message->result_case == OG__CONTROL_RESPONSE__RESULT__NOT_SET) {
        fault_set(fault, FAULT_LOCAL, "the answer is empty");
    } else {
        reply->message = message;
    }
    mem_free(id);
    mem_free(subject);
    bool ok = reply->message != NULL;
    if (!ok)
        reply_fini(reply);
    return ok;
}

void rpc_drop(struct rpc *rpc, struct call *call)
{
    if (!call)
        return;
    assert(rpc->calls[call->slot] == call);
    rpc->calls[call->slot] = NULL;
    natsMsg_Destroy(call->message);
    mem_free(call->id);
    mem_free(call->subject);
    mem_free(call);
}

void reply_fini(struct reply *reply)
{
    arena_fini(&reply->arena);
    natsMsg_Destroy(reply->nats);
    *reply = (struct reply){0};
}
