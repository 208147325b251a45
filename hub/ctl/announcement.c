#include "ctl/announcement.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/printable.h"
#include "proto/decode.h"
#include "proto/opengeni_agent.pb-c.h"

const char *const announcement_patterns[ANNOUNCEMENT_PATTERNS] = {
    "agent.*.*.hello",
    "agent.*.*.events",
    "agent.*.*.connection.*.hello",
    "agent.*.*.connection.*.events",
};

// The next token of a subject; false when there is none or no room for it.
static bool take_token(const char **at, char *token, size_t room)
{
    if (!*at)
        return false;
    const char *dot = strchr(*at, '.');
    size_t size = dot ? (size_t)(dot - *at) : strlen(*at);
    if (size == 0 || size >= room)
        return false;
    memcpy(token, *at, size);
    token[size] = '\0';
    *at = dot ? dot + 1 : NULL;
    return true;
}

bool announcement_parse(const char *subject, struct announcement *out)
{
    *out = (struct announcement){0};
    char word[16];
    const char *at = subject;
    if (!take_token(&at, word, sizeof word) || strcmp(word, "agent") != 0 ||
        !take_token(&at, out->workspace, sizeof out->workspace) ||
        !take_token(&at, out->agent, sizeof out->agent) || !take_token(&at, word, sizeof word))
        return false;
    if (strcmp(word, "connection") == 0 && (!take_token(&at, out->instance, sizeof out->instance) ||
                                            !take_token(&at, word, sizeof word)))
        return false;
    out->hello = strcmp(word, "hello") == 0;
    return !at && (out->hello || strcmp(word, "events") == 0);
}

static void put(char *out, size_t room, const char *text)
{
    snprintf(out, room, "%s", text);
    printable_strip(out); // also a character that was cut in two
}

static void read_hello(const Og__Hello *hello, struct sighting *out)
{
    static const char *const systems[] = {"?", "linux", "macos", "windows"};
    static const char *const machines[] = {"?", "x86_64", "aarch64"};
    size_t os = (size_t)hello->os, arch = (size_t)hello->arch;
    out->hello = true;
    put(out->name, sizeof out->name, hello->machine_name);
    put(out->version, sizeof out->version, hello->agent_version);
    put(out->root, sizeof out->root, hello->workspace_root);
    snprintf(out->platform, sizeof out->platform, "%s/%s",
             os < sizeof systems / sizeof *systems ? systems[os] : "?",
             arch < sizeof machines / sizeof *machines ? machines[arch] : "?");
    out->desktop = hello->capabilities && hello->capabilities->desktop;
}

static void read_heartbeat(const Og__Heartbeat *heartbeat, struct sighting *out)
{
    out->state = heartbeat->draining ? SIGHTING_DRAINING : SIGHTING_ONLINE;
    out->uptime_ms = heartbeat->uptime_ms;
    const Og__MetricsSample *metrics = heartbeat->metrics;
    if (!metrics)
        return;
    out->measured = true;
    out->load1 = metrics->load1;
    out->cpu_percent = metrics->cpu_percent;
    out->mem_used = metrics->mem_used_bytes;
    out->mem_total = metrics->mem_total_bytes;
}

bool announcement_read(const struct announcement *from, struct arena *arena, const void *data,
                       size_t size, struct sighting *out)
{
    struct fail why;
    if (from->hello) {
        const Og__Hello *hello = decode_message(arena, &og__hello__descriptor, data, size, &why);
        if (hello)
            read_hello(hello, out);
        return hello != NULL;
    }
    const Og__AgentEvent *event =
        decode_message(arena, &og__agent_event__descriptor, data, size, &why);
    if (event && event->event_case == OG__AGENT_EVENT__EVENT_HEARTBEAT)
        read_heartbeat(event->heartbeat, out);
    else if (event && event->event_case == OG__AGENT_EVENT__EVENT_GOING_OFFLINE)
        out->state = SIGHTING_LEFT;
    else
        return false;
    return true;
}

void announcement_merge(const struct announcement *from, const struct sighting *heard,
                        struct sighting *known)
{
    // The goodbye of a process whose successor has already spoken is no news.
    if (heard->state == SIGHTING_LEFT && known->instance[0] && from->instance[0] &&
        strcmp(known->instance, from->instance) != 0)
        return;
    if (from->instance[0])
        memcpy(known->instance, from->instance, sizeof known->instance);
    else
        known->legacy = true;
    known->state = heard->state;
    known->seen_ms = clock_wall_ms();
    if (heard->hello) {
        known->hello = true;
        memcpy(known->name, heard->name, sizeof known->name);
        memcpy(known->version, heard->version, sizeof known->version);
        memcpy(known->platform, heard->platform, sizeof known->platform);
        memcpy(known->root, heard->root, sizeof known->root);
        known->desktop = heard->desktop;
    }
    if (heard->measured) {
        known->measured = true;
        known->load1 = heard->load1;
        known->cpu_percent = heard->cpu_percent;
        known->mem_used = heard->mem_used;
        known->mem_total = heard->mem_total;
    }
    if (heard->uptime_ms)
        known->uptime_ms = heard->uptime_ms;
}
