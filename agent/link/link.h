// One control plane: dials it, announces the machine, serves its requests, and starts over when the
// session ends. Each link has a thread of its own, so that none can hold up another.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/random.h"
#include "link/running.h"

struct admission;
struct capacity;
struct connection;
struct link;
struct op_host;
struct receipt;
struct upgrade;
struct workers;

// What all links of the process share. Made once, outlives every link.
struct link_shared {
    const struct op_host *host;
    struct admission *admission;
    struct workers *workers;
    struct capacity *capacity;
    const char *ca_file;           // a private CA for all connections, or NULL
    const char *machine_name;      // of the hello, valid UTF-8
    const char *binary_sha256;     // of the running program; "" when unknown
    struct upgrade *upgrade;       // upgrade/upgrade.h
    const struct receipt *receipt; // of the last update
    char instance_id[UUID_BYTES];
    int64_t started_ms;              // clock_mono_ms of the process start
    atomic_bool paused;              // by the owner: only pings are answered
    void (*changed)(void *argument); // a link changed its state; from any thread
    void *changed_argument;
};

enum link_state {
    LINK_CONNECTING,
    LINK_ONLINE,
    LINK_BACKOFF,
    LINK_DENIED, // waits, and the server's last word was that it does not know the credentials
    LINK_STOPPING,
    LINK_GONE,
};

enum link_leave { LEAVE_USER_STOP = 1, LEAVE_UPDATE, LEAVE_HOST_SHUTDOWN }; // GoingOfflineReason

// Starts a link; the connection is copied. NULL when it cannot be.
struct link *link_new(const struct link_shared *shared, const struct connection *connection,
                      struct fail *why) __attribute__((warn_unused_result));

// Asks for a clean end; returns at once. The request stays, whatever step the link is in.
void link_leave(struct link *link, enum link_leave reason);

// Waits until the link has ended, at most until until_ms; true when it has. A link without a
// session has nothing to announce: with only_announcing it is not waited for.
bool link_wait(struct link *link, int64_t until_ms, bool only_announcing);

// Lets go of a link after link_wait; it is freed when its last operation has ended.
void link_release(struct link *link);

// New credentials or metadata for the same connection. A changed identity is announced as a
// goodbye and a new start; changed transport values are taken over without a gap.
void link_update(struct link *link, const struct connection *connection);

// Ends all that runs for this link, terminals included; the link itself goes on.
void link_end_work(struct link *link);

// The machine's self-description changed (a display appeared): a hello goes out.
void link_describe(struct link *link);

struct link_status {
    enum link_state state;
    int64_t since_ms;      // unix time
    int64_t next_retry_ms; // unix time, 0 when none is due
    unsigned attempt;
    char last_error[256];  // of the latest trouble, also when it is over; "" when there was none
    int64_t last_error_ms; // unix time
    uint64_t heartbeats_sent;
    uint64_t operations_running;                      // with those that wait for their turn
    struct running_shown running[LINK_RUNNING_SHOWN]; // the oldest of these
    size_t running_count;
};
void link_status(struct link *link, struct link_status *status);
