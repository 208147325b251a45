// One authenticated NATS session, whatever carries it: nats.c over TCP, or through a tunnel over
// ws, wss and tls. It never reconnects by itself: the link decides when and with what.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "link/subjects.h"

struct cancel;
struct payload;
struct session;

enum session_loss {
    SESSION_ALIVE,
    SESSION_LOST,    // network or server trouble
    SESSION_DENIED,  // the server does not accept the credentials
    SESSION_EXPIRED, // the server ended the session at the end of its allowed life
};

enum lane { LANE_RPC, LANE_ACK, LANES };

struct session_message {
    enum address address; // on which of our subjects it came in
    enum lane lane;
    const char *reply; // NULL when the sender expects none
    const void *data;
    size_t size;
    struct payload *payload; // reply and data live in it
};

// A message is gone when its callback returns, unless its payload was taken; then it is the
// taker's to free.
void session_take_payload(struct session_message *message);
void payload_free(struct payload *payload);

// Called from threads of the NATS client; they must return soon.
struct session_events {
    void *owner;
    void (*message)(void *owner, struct session *session, struct session_message *message);
    void (*changed)(void *owner); // a reason to look at the session again
    void (*gone)(void *owner);    // the last call of all; the session has been freed
};

struct session_options {
    const char *url;
    const char *bearer;
    const char *name; // of the client, as the server sees it
    const struct subjects *subjects;
    const char *ca_file; // a private CA for tls and wss; NULL for the system's store alone
    int64_t timeout_ms;  // for all of TCP, TLS, upgrade and login
    struct cancel *cancel;
};

// Dials and logs in, blocking. On failure *loss tells a refusal from trouble.
bool session_open(const struct session_options *options, const struct session_events *events,
                  struct session **out, enum session_loss *loss, struct fail *why)
    __attribute__((warn_unused_result));

// Ends the session; a publish that is stuck on a dead socket may hold this for some seconds. The
// events stop after gone().
void session_close(struct session *session);

// Shared use: whoever publishes holds a reference.
struct session *session_ref(struct session *session);
void session_unref(struct session *session);

bool session_subscribe(struct session *session, enum address address, struct fail *why)
    __attribute__((warn_unused_result));

// Stops the deliveries of both lanes and waits until all that had arrived were handled.
void session_drain(struct session *session, int64_t timeout_ms);

// False when the session takes nothing any more. Waits while another write is stuck.
bool session_publish(struct session *session, const char *subject, const void *data, size_t size);

// True while a publish is under way: the next one may have to wait for it.
bool session_busy(const struct session *session);

// PING, and wait for the PONG: everything sent before has then reached the server.
bool session_barrier(struct session *session, int64_t timeout_ms);

enum session_loss session_loss(struct session *session);
const char *session_loss_text(struct session *session); // the server's words; valid as long as it

// The server refused us this address, for subscriptions or for publishing.
bool session_refused(struct session *session, enum address address);
bool session_lame_duck(struct session *session); // the server is about to close it

// The largest message the server takes now. Waits for a write that is stuck, as every question to
// the NATS client does; the second form tells what was found last and never waits.
size_t session_max_payload(struct session *session);
size_t session_max_payload_known(const struct session *session);

uint64_t session_received(struct session *session); // messages, since it began
