// What was decided: enrolment tokens, machines, consents, bearers. DIR/hub.db; a commit that has
// been reported survives any crash. Secrets are kept as SHA-256 only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "hub/digest.h"
#include "hub/sql.h"

struct data_dir;
struct fail;

struct store {
    struct sql sql;
    char workspace[UUID_BYTES]; // made with the database; every machine of this hub is in it
    // Held while a decision goes to the database and then to the roster, so that both see all
    // decisions in one order.
    pthread_mutex_t decisions;
};

bool store_open(struct store *store, const struct data_dir *dir, struct fail *why)
    __attribute__((warn_unused_result));
void store_close(struct store *store);

// An enrolment token, good for one enrolment.
struct token_record {
    unsigned char hash[DIGEST_BYTES];
    int64_t created_ms, expires_ms; // unix time
    bool screen_control;            // the person who made it agrees to input being injected
};

bool store_add_token(struct store *store, const struct token_record *token, struct fail *why)
    __attribute__((warn_unused_result));

enum token_use { TOKEN_USED_NOW, TOKEN_UNKNOWN, TOKEN_SPENT, TOKEN_EXPIRED };

// Inside a transaction. Of several attempts at one token exactly one is told TOKEN_USED_NOW.
bool store_use_token(struct store *store, const unsigned char hash[DIGEST_BYTES], int64_t now_ms,
                     const char *machine, enum token_use *use, bool *screen_control,
                     struct fail *why) __attribute__((warn_unused_result));

struct machine_record {
    char id[UUID_BYTES];
    char *public_key; // the machine's identity, opaque
    char *name;       // printable
    bool named;       // by a person: a later enrolment leaves the name alone
    char os[16], arch[16];
    bool display, screen_control;
    int64_t enrolled_ms, revoked_ms; // revoked_ms 0: not revoked
    int64_t generation;              // of the bearer, 1 and up
    unsigned char bearer_hash[DIGEST_BYTES];
    int64_t bearer_expires_ms;
};

void machine_record_fini(struct machine_record *record);

// Inside a transaction: the machine that enrolled with this key. found is false when none did.
bool store_find_key(struct store *store, const char *public_key, struct machine_record *record,
                    bool *found, struct fail *why) __attribute__((warn_unused_result));
bool store_put_machine(struct store *store, const struct machine_record *record, struct fail *why)
    __attribute__((warn_unused_result));

// Outside a transaction. FAIL_INVALID when there is no such machine.
bool store_revoke(struct store *store, const char *id, int64_t now_ms, struct fail *why)
    __attribute__((warn_unused_result));
bool store_rename(struct store *store, const char *id, const char *name, struct fail *why)
    __attribute__((warn_unused_result));

// Calls visit for every machine in order of enrolment; the record is visit's to keep.
bool store_each_machine(struct store *store, void (*visit)(void *context, struct machine_record *),
                        void *context, struct fail *why) __attribute__((warn_unused_result));
