// Requests to agents and their replies over one connection: any number in flight, one thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nats/nats.h>

#include "base/arena.h"
#include "proto/opengeni_agent.pb-c.h"

struct fault;
struct rpc;

// A request in flight.
struct call {
    int64_t sent_ns, arrived_ns; // rpc_now_ns(); arrived_ns is 0 while there is no reply
    uint64_t tag;                // the caller's own
    natsMsg *message;            // the reply
    bool nobody;                 // the server says that nobody listens there
    uint64_t serial;             // with the slot, names the call in its reply subject
    uint32_t slot;
    uint64_t reconnects; // of the connection, when the request was sent
    char *id;            // request_id
    char *subject;
};

// A decoded reply. The message points into the arena and the NATS message.
struct reply {
    const Og__ControlResponse *message;
    struct arena arena;
    natsMsg *nats;
};

bool rpc_new(natsConnection *nats, struct rpc **out, struct fault *fault)
    __attribute__((warn_unused_result));

// Another one on the same connection, with its own inbox; always the same, freed with this one.
bool rpc_beside(struct rpc *rpc, struct rpc **out, struct fault *fault)
    __attribute__((warn_unused_result));

// Drops what is in flight. The connection has to be closed before: nats.c 3.4 crashes when a
// subscription ends while messages come in on it. NULL is accepted.
void rpc_free(struct rpc *rpc);

// Bytes that a request or a reply may have; 0 once the connection is gone.
size_t rpc_max_payload(const struct rpc *rpc);

// Sends the request under a new request_id, which the caller leaves empty. FAULT_LOCAL when it is
// too large for the server, or a text in it is not UTF-8.
bool rpc_send(struct rpc *rpc, const char *subject, const Og__ControlRequest *request,
              struct call **out, struct fault *fault) __attribute__((warn_unused_result));

// Sends bytes as they are: for responders that are no agents.
bool rpc_send_raw(struct rpc *rpc, const char *subject, const void *data, size_t size,
                  struct call **out, struct fault *fault) __attribute__((warn_unused_result));

// Waits for a reply to any call and returns that call; NULL with FAULT_TIMEOUT at until_ms
// (clock_mono_ms), FAULT_SERVER when the connection is lost, FAULT_INTERRUPTED.
struct call *rpc_any(struct rpc *rpc, int64_t until_ms, struct fault *fault);

// Waits until this call is answered; replies to others are kept with them. When the connection has
// been lost and made again meanwhile, FAULT_TIMEOUT comes soon: the reply may have been lost too.
bool rpc_wait(struct rpc *rpc, struct call *call, int64_t until_ms, struct fault *fault)
    __attribute__((warn_unused_result));

// The connection has been made again since the request was sent.
bool rpc_shaken(const struct rpc *rpc, const struct call *call);

// The reply of an answered call, which ends. FAULT_OFFLINE, or the agent's error as FAULT_AGENT.
bool rpc_take(struct rpc *rpc, struct call *call, struct reply *reply, struct fault *fault)
    __attribute__((warn_unused_result));

// Ends a call in any state; a reply that still comes is thrown away. NULL is accepted.
void rpc_drop(struct rpc *rpc, struct call *call);

void reply_fini(struct reply *reply); // a reply of zeros is accepted

int64_t rpc_now_ns(void); // CLOCK_MONOTONIC
