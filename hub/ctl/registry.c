#include "ctl/registry.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "ctl/fault.h"
#include "ctl/interrupt.h"
#include "ctl/units.h"

bool registry_list(const struct hub_place *hub, long timeout_ms, json_t **machines,
                   struct fault *fault)
{
    json_t *answer;
    if (!hub_ask(hub, "/api/machines", NULL, timeout_ms, &answer, fault))
        return false;
    *machines = json_incref(json_object_get(answer, "machines"));
    json_decref(answer);
    return json_is_array(*machines) ||
           (json_decref(*machines), fault_set(fault, FAULT_SERVER, "the hub lists no machines"));
}

static bool ask(const struct hub_place *hub, const char *name, json_t **machine,
                struct fault *fault)
{
    const char *slash = strchr(name, '/'); // WORKSPACE/ID: a hub has one workspace
    if (slash)
        name = slash + 1;
    if (!*name || strchr(name, '/'))
        return fault_set(fault, FAULT_MACHINE, "no machine can have such a name");
    char *escaped = curl_easy_escape(NULL, name, 0);
    if (!escaped)
        return fault_set(fault, FAULT_LOCAL, "the name is too long");
    char *path = mem_printf("/api/machines/%s", escaped);
    curl_free(escaped);
    bool good = hub_ask(hub, path, NULL, CTL_HUB_MS, machine, fault);
    mem_free(path);
    return good;
}

// "agent.<workspace>.<id>[.connection.<instance>]"
static bool read_subject(const char *subject, enum generation generation, struct machine *out)
{
    char workspace[SIGHTING_ID_BYTES], agent[SIGHTING_ID_BYTES], word[16],
        instance[SIGHTING_ID_BYTES];
    int parts = sscanf(subject, "agent.%79[^. ].%79[^. ].%15[a-z].%79[^. ]", workspace, agent, word,
                       instance);
    bool fenced = parts == 4 && strcmp(word, "connection") == 0;
    if ((parts != 2 && !fenced) || (generation == GENERATION_LATEST && !fenced))
        return false;
    snprintf(out->workspace, sizeof out->workspace, "%s", workspace);
    snprintf(out->agent, sizeof out->agent, "%s", agent);
    out->fenced = fenced && generation != GENERATION_0_2_0;
    if (out->fenced)
        snprintf(out->subject, sizeof out->subject, "agent.%s.%s.connection.%s.rpc", workspace,
                 agent, instance);
    else
        snprintf(out->subject, sizeof out->subject, "agent.%s.%s.rpc", workspace, agent);
    return true;
}

static bool is_away(json_t *machine, const char *label, const char *state, struct fault *fault)
{
    int64_t seen = json_integer_value(json_object_get(machine, "seen_ms"));
    if (strcmp(state, "revoked") == 0)
        return fault_set(fault, FAULT_MACHINE, "%s has been revoked: a new token brings it back",
                         label);
    if (strcmp(state, "new") == 0 || !seen)
        return fault_set(fault, FAULT_OFFLINE,
                         "is enrolled, and has not been heard yet: does opengeni-agent run there?");
    return fault_set(fault, FAULT_OFFLINE, "is offline, last seen %s ago",
                     unit_age_text(clock_wall_ms() - seen));
}

static bool take(json_t *machine, enum generation generation, struct machine *out,
                 struct fault *fault)
{
    const char *state = json_string_value(json_object_get(machine, "state")),
               *subject = json_string_value(json_object_get(machine, "subject")),
               *name = json_string_value(json_object_get(machine, "name"));
    *out = (struct machine){0};
    snprintf(out->label, sizeof out->label, "%s", name ? name : "");
    if (!state || strcmp(state, "online") != 0 || !subject)
        return is_away(machine, out->label, state ? state : "offline", fault);
    return read_subject(subject, generation, out) ||
           fault_set(fault, FAULT_MACHINE,
                     "%s has not been heard on an address of the latest generation", out->label);
}

bool registry_find(const struct hub_place *hub, const char *name, enum generation generation,
                   int64_t wait_ms, struct machine *out, struct fault *fault)
{
    interrupt_watch();
    for (int64_t until = clock_mono_ms() + wait_ms;;) {
        json_t *machine = NULL;
        if (!ask(hub, name, &machine, fault))
            return false;
        bool there = take(machine, generation, out, fault);
        json_decref(machine);
        if (there || fault->kind != FAULT_OFFLINE || clock_mono_ms() >= until)
            return there;
        if (interrupted())
            return fault_set(fault, FAULT_INTERRUPTED, "interrupted");
        clock_sleep_ms(CTL_WAIT_SLICE_MS);
    }
}
