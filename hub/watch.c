#include "hub/watch.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "proto/decode.h"
#include "proto/opengeni_agent.pb-c.h"

// agent.<workspace>.<machine>[.connection.<instance>].{hello,events}
const char *const watch_subjects[] = {
    "agent.*.*.connection.*.hello",
    "agent.*.*.connection.*.events",
    "agent.*.*.hello",
    "agent.*.*.events",
    NULL,
};

enum { TOKENS_MAX = 6, TOKEN_BYTES = 64 };

struct address {
    char tokens[TOKENS_MAX][TOKEN_BYTES];
    const char *workspace, *machine, *instance, *kind;
};

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

static bool parse(const char *subject, struct address *address)
{
    size_t count = 0;
    for (;; count++) {
        size_t size = strspn(subject, plain);
        if (count == TOKENS_MAX || size == 0 || size >= TOKEN_BYTES ||
            (subject[size] && subject[size] != '.'))
            return false;
        memcpy(address->tokens[count], subject, size);
        address->tokens[count][size] = '\0';
        subject += size;
        if (*subject++ == '\0')
            break;
    }
    count++;
    bool fenced = count == 6 && strcmp(address->tokens[3], "connection") == 0;
    if (strcmp(address->tokens[0], "agent") != 0 || (!fenced && count != 4))
        return false;
    address->workspace = address->tokens[1];
    address->machine = address->tokens[2];
    address->instance = fenced ? address->tokens[4] : "";
    address->kind = address->tokens[count - 1];
    return strlen(address->instance) < UUID_BYTES;
}

static double finite_or_zero(double value)
{
    return isfinite(value) ? value : 0;
}

static struct sample sample_of(const Og__MetricsSample *metrics, struct moment now)
{
    return (struct sample){
        .unix_ms = now.unix_ms,
        .cpu_percent = fmin(100, fmax(0, finite_or_zero(metrics->cpu_percent))),
        .load1 = finite_or_zero(metrics->load1),
        .run_queue = finite_or_zero(metrics->run_queue),
        .mem_used = metrics->mem_used_bytes & HUB_COUNTER_MASK,
        .mem_total = metrics->mem_total_bytes & HUB_COUNTER_MASK,
        .disk_used = metrics->disk_used_bytes & HUB_COUNTER_MASK,
        .disk_total = metrics->disk_total_bytes & HUB_COUNTER_MASK,
    };
}

static void heartbeat(struct watch *watch, const struct address *address,
                      const Og__Heartbeat *message, struct moment now)
{
    struct sample sample;
    if (message->metrics)
        sample = sample_of(message->metrics, now);
    if (roster_heartbeat(watch->roster, address->machine, address->instance,
                         message->metrics ? &sample : NULL, message->uptime_ms & HUB_COUNTER_MASK,
                         message->draining, now) == HEARD)
        watch->heartbeats++;
}

static bool event(struct watch *watch, const struct address *address, struct arena *arena,
                  const void *data, size_t size, struct moment now)
{
    const Og__AgentEvent *message =
        decode_message(arena, &og__agent_event__descriptor, data, size, NULL);
    if (!message)
        return false;
    switch (message->event_case) {
    case OG__AGENT_EVENT__EVENT_HEARTBEAT:
        heartbeat(watch, address, message->heartbeat, now);
        break;
    case OG__AGENT_EVENT__EVENT_GOING_OFFLINE:
        roster_goodbye(watch->roster, address->machine, address->instance,
                       (int)message->going_offline->reason, now);
        break;
    default: // progress of an update, and events of newer agents
        break;
    }
    return true;
}

static bool hello(struct watch *watch, const struct address *address, struct arena *arena,
                  const void *data, size_t size, struct moment now)
{
    if (size > HUB_HELLO_BYTES_MAX ||
        !decode_message(arena, &og__hello__descriptor, data, size, NULL))
        return false;
    roster_hello(watch->roster, address->machine, address->instance, data, size, now);
    return true;
}

void watch_feed(struct watch *watch, const char *subject, const void *data, size_t size,
                struct moment now)
{
    struct address address;
    watch->messages++;
    if (!parse(subject, &address) ||
        strcmp(address.workspace, roster_workspace(watch->roster)) != 0) {
        watch->bad++;
        return;
    }
    enum heard heard = roster_admit(watch->roster, address.machine, now);
    if (heard == HEARD_CUT) {
        log_warn("machine sends too much, cut off", "machine", address.machine, NULL);
        if (watch->cut)
            watch->cut(watch->context, address.machine);
    }
    if (heard != HEARD)
        return;

    struct arena arena;
    arena_init(&arena, HUB_EVENT_ARENA_BYTES);
    bool is_hello = strcmp(address.kind, "hello") == 0;
    if (!(is_hello ? hello : event)(watch, &address, &arena, data, size, now)) {
        watch->bad++;
        log_debug("message of a machine cannot be read", "machine", address.machine, "kind",
                  address.kind, NULL);
    }
    arena_fini(&arena);
}
