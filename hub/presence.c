// Who of a machine's processes is live (control-plane: leases), and what it says.
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/roster_private.h"

static const struct bucket_rate connect_rate = {HUB_CONNECT_BURST, HUB_CONNECTS_PER_SECOND};
static const struct bucket_rate message_rate = {HUB_MESSAGE_BURST, HUB_MESSAGES_PER_SECOND};

const char *verdict_text(enum verdict verdict)
{
    static const char *const texts[VERDICTS] = {
        [VERDICT_GRANTED] = "granted",
        [VERDICT_NO_BEARER] = "no bearer",
        [VERDICT_BAD_BEARER] = "not a bearer of this hub",
        [VERDICT_UNKNOWN] = "no such machine",
        [VERDICT_REVOKED] = "machine is revoked",
        [VERDICT_REPLACED] = "bearer was replaced by a newer enrolment",
        [VERDICT_EXPIRED] = "bearer is expired",
        [VERDICT_BAD_NAME] = "connection name without an instance id",
        [VERDICT_DUPLICATE] = "another process of this machine is connected",
        [VERDICT_TOO_OFTEN] = "connects too often or sends too much",
    };
    return texts[verdict];
}

static void machine_goes(struct machine *machine, const char *reason, int64_t unix_ms)
{
    if (machine->online) {
        machine->since_ms = unix_ms;
        log_info("machine offline", "machine", machine->record.id, "name", machine->record.name,
                 "reason", reason, NULL);
    }
    machine->online = false;
    machine->lease_ms = 0;
}

void machine_dismiss(struct machine *machine, const char *reason, int64_t unix_ms)
{
    machine_goes(machine, reason, unix_ms);
    if (machine->instance[0])
        memcpy(machine->left, machine->instance, sizeof machine->left);
    machine->instance[0] = '\0';
}

static void machine_comes(struct machine *machine, int64_t unix_ms)
{
    if (!machine->online) {
        machine->since_ms = unix_ms;
        log_info("machine online", "machine", machine->record.id, "name", machine->record.name,
                 NULL);
    }
    machine->online = true;
}

static void take_instance(struct machine *machine, const char *instance)
{
    snprintf(machine->instance, sizeof machine->instance, "%s", instance);
    machine->left[0] = '\0';
    machine->goodbye = 0;
}

static enum verdict judge(struct machine *machine, const char *instance,
                          const unsigned char bearer_hash[DIGEST_BYTES], struct moment now)
{
    if (!machine)
        return VERDICT_UNKNOWN;
    if (machine->record.revoked_ms)
        return VERDICT_REVOKED;
    if (CRYPTO_memcmp(machine->record.bearer_hash, bearer_hash, DIGEST_BYTES) != 0)
        return VERDICT_REPLACED;
    if (machine->record.bearer_expires_ms < now.unix_ms)
        return VERDICT_EXPIRED;
    if (!*instance)
        return VERDICT_BAD_NAME;
    bool same = strcmp(machine->instance, instance) == 0;
    if (!same && machine->lease_ms > now.mono_ms)
        return VERDICT_DUPLICATE;
    if (machine->banned_ms > now.mono_ms ||
        !bucket_take(&machine->connects, &connect_rate, 1, now.mono_ms))
        return VERDICT_TOO_OFTEN;
    return VERDICT_GRANTED;
}

enum verdict roster_connect(struct roster *roster, const char *id, const char *instance,
                            const unsigned char bearer_hash[DIGEST_BYTES], struct moment now)
{
    pthread_mutex_lock(&roster->lock);
    struct machine *machine = roster_find(roster, id);
    enum verdict verdict = judge(machine, instance, bearer_hash, now);
    if (verdict == VERDICT_GRANTED) {
        if (strcmp(machine->instance, instance) != 0)
            machine_goes(machine, "replaced by another process", now.unix_ms);
        take_instance(machine, instance);
        machine->lease_ms = now.mono_ms + HUB_LEASE_MS;
        machine->seen_ms = now.unix_ms;
    }
    pthread_mutex_unlock(&roster->lock);
    return verdict;
}

enum heard roster_admit(struct roster *roster, const char *id, struct moment now)
{
    enum heard heard = HEARD;
    pthread_mutex_lock(&roster->lock);
    struct machine *machine = roster_find(roster, id);
    if (!machine || machine->record.revoked_ms) {
        heard = HEARD_UNKNOWN;
    } else if (!bucket_take(&machine->messages, &message_rate, 1, now.mono_ms)) {
        heard = HEARD_FLOOD;
        machine->ignored++;
        if (machine->banned_ms <= now.mono_ms) {
            machine->banned_ms = now.mono_ms + HUB_BAN_MS;
            machine_goes(machine, "sent too much", now.unix_ms);
            heard = HEARD_CUT;
        }
    }
    pthread_mutex_unlock(&roster->lock);
    return heard;
}

// Whether the message comes from the live process. A process that the hub has not seen connect, as
// after a restart of the hub, becomes the live one when there is no other.
static bool is_live(struct roster *roster, struct machine *machine, const char *instance,
                    struct moment now)
{
    if (machine->banned_ms > now.mono_ms)
        return false;
    bool lapsed = machine->lease_ms <= now.mono_ms;
    if (*instance && strcmp(instance, machine->left) == 0)
        return false;
    if (strcmp(instance, machine->instance) == 0)
        return *instance || roster->open;
    if (!machine->instance[0] || (roster->open && lapsed)) {
        take_instance(machine, instance);
        return *instance || roster->open;
    }
    return false;
}

// Under the lock. The machine when the message counts.
static struct machine *begin(struct roster *roster, const char *id, const char *instance,
                             struct moment now, enum heard *heard)
{
    struct machine *machine = roster_find(roster, id);
    *heard = !machine || machine->record.revoked_ms    ? HEARD_UNKNOWN
             : is_live(roster, machine, instance, now) ? HEARD
                                                       : HEARD_OTHER;
    if (*heard == HEARD) {
        machine->seen_ms = now.unix_ms;
        return machine;
    }
    if (machine)
        machine->ignored++;
    return NULL;
}

static void renew(struct machine *machine, struct moment now)
{
    machine->lease_ms = now.mono_ms + HUB_LEASE_MS;
    machine_comes(machine, now.unix_ms);
}

// Where nobody asks who may connect, a hello is all that tells of a new connection.
static void welcome_back(struct roster *roster, const char *id)
{
    struct machine *machine = roster_find(roster, id);
    if (machine)
        machine->left[0] = '\0';
}

enum heard roster_hello(struct roster *roster, const char *id, const char *instance,
                        const void *data, size_t size, struct moment now)
{
    enum heard heard;
    pthread_mutex_lock(&roster->lock);
    if (roster->open)
        welcome_back(roster, id);
    struct machine *machine = begin(roster, id, instance, now, &heard);
    if (machine) {
        renew(machine, now);
        if (machine->hello_size != size || (size && memcmp(machine->hello, data, size) != 0)) {
            mem_free(machine->hello);
            machine->hello = mem_copy(data, size);
            machine->hello_size = size;
            machine->hello_unsaved = true;
            machine->hello_read = false;
        }
    }
    pthread_mutex_unlock(&roster->lock);
    return heard;
}

enum heard roster_heartbeat(struct roster *roster, const char *id, const char *instance,
                            const struct sample *sample, uint64_t uptime_ms, bool draining,
                            struct moment now)
{
    enum heard heard;
    pthread_mutex_lock(&roster->lock);
    struct machine *machine = begin(roster, id, instance, now, &heard);
    if (machine) {
        renew(machine, now);
        machine->uptime_ms = uptime_ms;
        machine->draining = draining;
        if (sample)
            machine->sample = *sample;
    }
    pthread_mutex_unlock(&roster->lock);
    return heard;
}

enum heard roster_goodbye(struct roster *roster, const char *id, const char *instance, int reason,
                          struct moment now)
{
    enum heard heard;
    pthread_mutex_lock(&roster->lock);
    struct machine *machine = begin(roster, id, instance, now, &heard);
    if (machine) {
        machine_dismiss(machine, "said goodbye", now.unix_ms);
        machine->goodbye = reason;
    }
    pthread_mutex_unlock(&roster->lock);
    return heard;
}

void roster_tick(struct roster *roster, struct moment now)
{
    pthread_mutex_lock(&roster->lock);
    for (size_t i = 0; i < roster->count; i++)
        if (roster->machines[i]->online && roster->machines[i]->lease_ms <= now.mono_ms)
            machine_goes(roster->machines[i], "silent", now.unix_ms);
    pthread_mutex_unlock(&roster->lock);
}
