// Every machine of the hub, in memory: who may connect, which process of a machine is the live one,
// what was heard last. One lock; nothing here does I/O.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "hub/bucket.h"
#include "hub/store.h"

struct fail;

struct moment {
    int64_t mono_ms; // for leases
    int64_t unix_ms; // for people
};
struct moment moment_now(void);

// The figures of a heartbeat that are kept.
struct sample {
    int64_t unix_ms; // when it arrived; 0: none has
    double cpu_percent, load1, run_queue;
    uint64_t mem_used, mem_total, disk_used, disk_total; // bytes
};

struct machine {
    struct machine_record record;
    // The live process. An instance is the random id that one process of the agent has; "" stands
    // for an agent without one, or for nobody yet.
    char instance[UUID_BYTES];
    char left[UUID_BYTES]; // the instance that said goodbye; only a new connection brings it back
    int64_t lease_ms;      // mono: the instance is the live one until then
    bool online;
    int64_t since_ms, seen_ms; // unix: of the last change of online; of the last message
    int goodbye;               // reason of the last goodbye, 0: none since the last connection
    uint64_t uptime_ms;        // of the agent's process
    bool draining;
    void *hello; // as it came; NULL: none yet
    size_t hello_size;
    bool hello_unsaved;
    bool hello_read; // what follows has been taken from it (machine_json.c)
    char version[HUB_VERSION_BYTES];
    bool desktop;
    struct sample sample;
    int64_t sample_saved_ms; // unix_ms of the sample that was saved last
    struct bucket connects, messages;
    int64_t banned_ms; // mono: not let in until then
    uint64_t ignored;  // messages that were not taken
};

struct roster;

// open: the NATS server lets everybody in, so that a process can only make itself known by what it
// sends.
struct roster *roster_new(const char *workspace, bool open);
void roster_free(struct roster *roster);
const char *roster_workspace(const struct roster *roster);
void roster_set_open(struct roster *roster, bool open);

// Adds a machine or replaces its record; the roster keeps the record. A new generation of the
// bearer ends the lease: whoever holds it has an old bearer.
void roster_put(struct roster *roster, struct machine_record *record);
bool roster_revoke(struct roster *roster, const char *id, int64_t unix_ms);
bool roster_rename(struct roster *roster, const char *id, const char *name);

// The id of the machine meant by a whole id, the beginning of one, or a name. FAIL_INVALID names
// the reason; an ambiguous text is refused with the ids it could mean.
bool roster_resolve(struct roster *roster, const char *text, char id[UUID_BYTES], struct fail *why)
    __attribute__((warn_unused_result));

enum verdict {
    VERDICT_GRANTED,
    VERDICT_NO_BEARER,
    VERDICT_BAD_BEARER,
    VERDICT_UNKNOWN, // no such machine
    VERDICT_REVOKED,
    VERDICT_REPLACED, // the machine has enrolled again since
    VERDICT_EXPIRED,
    VERDICT_BAD_NAME,  // the CONNECT name carries no instance
    VERDICT_DUPLICATE, // another process of the machine is live
    VERDICT_TOO_OFTEN,
    VERDICTS
};
const char *verdict_text(enum verdict verdict);

// A process wants to connect with a bearer of that digest. Granted: it holds the lease for 20 s.
enum verdict roster_connect(struct roster *roster, const char *id, const char *instance,
                            const unsigned char bearer_hash[DIGEST_BYTES], struct moment now);

enum heard {
    HEARD,
    HEARD_UNKNOWN, // no such machine, or revoked
    HEARD_OTHER,   // not from the live process
    HEARD_FLOOD,   // more than a machine has to say; dropped
    HEARD_CUT,     // the same, and from now on it is banned: its connections are to be cut
};

// Called for each message before it is decoded: bounds what one machine can make the hub do.
enum heard roster_admit(struct roster *roster, const char *id, struct moment now);

enum heard roster_hello(struct roster *roster, const char *id, const char *instance,
                        const void *data, size_t size, struct moment now);
enum heard roster_heartbeat(struct roster *roster, const char *id, const char *instance,
                            const struct sample *sample, uint64_t uptime_ms, bool draining,
                            struct moment now);
enum heard roster_goodbye(struct roster *roster, const char *id, const char *instance, int reason,
                          struct moment now);

// Machines whose lease has ended become offline. To be called about once a second.
void roster_tick(struct roster *roster, struct moment now);

struct roster_counts {
    size_t machines, online, revoked;
};
struct roster_counts roster_count(struct roster *roster);

// Under the lock, in order of ids: visit must not call the roster, and must not take long.
void roster_each(struct roster *roster, void (*visit)(void *context, struct machine *machine),
                 void *context);
bool roster_visit(struct roster *roster, const char *id,
                  void (*visit)(void *context, struct machine *machine), void *context);
