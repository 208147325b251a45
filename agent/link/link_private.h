// The inside of a link, shared by the files that make it up.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/fail.h"
#include "config/connection.h"
#include "link/link.h"
#include "link/session.h"
#include "link/subjects.h"
#include "ops/desktop.h"
#include "proto/opengeni_agent.pb-c.h"

struct cancel;
struct outbox;
struct relay;
struct reply_memory;
struct settled;

struct link {
    const struct link_shared *shared;
    char id[32];
    uint64_t origin;        // of its requests, for fair turns
    atomic_uint held_epoch; // requests of an older one are refused
    atomic_uint references;
    struct outbox *outbox; // replies that wait for a session
    struct outbox *posted; // replies that wait for a worker to send them
    struct reply_memory *replies;
    struct settled *settled;
    struct desktop_seat seat;
    struct ordered_lane typing; // what is asked of terminals, in the order it came
    atomic_uint calls;          // requests that have not been answered
    struct running running;

    pthread_mutex_t lock; // of all that follows
    pthread_cond_t wake;
    struct connection *connection;
    struct connection *next_connection; // waits for the link thread
    struct subjects subjects;
    struct relay *relay; // where the terminals of this identity are shown
    struct link_status status;
    struct session *session;  // serving now: replies go here; NULL between generations
    int64_t session_ended_ms; // when the last one went
    struct cancel *lost;      // fires when requests of the fenced address have to die with the
                              // session; NULL until there is one
    struct cancel *leaving;   // fires when the link, or its identity, ends
    enum link_leave leave_reason;
    bool leave_asked, describe, ended;
    bool woken;   // by the session
    bool posting; // a worker sends what is posted
    bool legacy;  // the legacy address is ours too, on the current session

    // of the link thread alone
    unsigned attempt;
    int64_t denied_since_ms; // 0: the last attempt was not refused
    int64_t advised_ms;
    int64_t fenced_only_until_ms;
    int64_t session_life_ms; // how long the server lets a session live; 0: not known
    uint64_t heartbeat_sequence;
};

// What a dial brought.
struct dialed {
    struct session *session;
    bool legacy;
    enum session_loss loss; // when there is no session
    struct fail why;
};

// dial.c: one attempt over all URLs of the connection; blocks. The session is subscribed on every
// address the server grants.
void link_dial(struct link *link, const struct connection *connection, bool try_legacy,
               struct dialed *out);

// serve.c: from the hello to the end of the session. Returns how it ended; SESSION_ALIVE means that
// the link is to leave or to start anew with other credentials.
enum session_loss link_serve(struct link *link, struct session *session, bool legacy);

// announce.c. All publish on the current session, on each address it has.
void link_send_hello(struct link *link);
void link_send_heartbeat(struct link *link);
// From any thread: how far an update is (a link, and Og__AgentUpdateProgress).
void link_tell_update(void *link, const Og__AgentUpdateProgress *progress);
void link_send_goodbye(struct link *link, struct session *session, enum link_leave reason);

// intake.c: the message callback of a session.
void link_intake(void *link, struct session *session, struct session_message *message);

// reply.c: sends an encoded reply on the current session, or keeps it until until_ms.
void link_reply(struct link *link, const char *subject, const void *data, size_t size,
                int64_t until_ms);

// The same for a thread that must not wait: while another write is under way, which may be stuck,
// a worker sends it.
void link_reply_soon(struct link *link, const char *subject, const void *data, size_t size,
                     int64_t until_ms);

struct session *link_session(struct link *link); // a reference, or NULL

// The private CA of a connection, unless the agent was started with one for all; may be NULL.
const char *link_ca_file(const struct link *link, const struct connection *connection);
struct relay *link_relay(struct link *link); // a reference
void link_hold(struct link *link);           // a reference on the link
void link_drop(void *link);                  // and its end
void link_wake(void *link);
void link_set_state(struct link *link, enum link_state state); // lock held
bool link_leave_asked(struct link *link);
