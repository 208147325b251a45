#include "ctl/machine.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "ctl/fault.h"
#include "ctl/interrupt.h"

// A text that may stand between two dots of a subject.
static bool take_id(const char *text, size_t size, char *id, size_t room)
{
    if (size == 0 || size >= room)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '_')
            return false;
    memcpy(id, text, size);
    id[size] = '\0';
    return true;
}

static void set_subject(struct machine *machine, const char *instance)
{
    machine->fenced = instance != NULL;
    if (instance)
        snprintf(machine->subject, sizeof machine->subject, "agent.%s.%s.connection.%s.rpc",
                 machine->workspace, machine->agent, instance);
    else
        snprintf(machine->subject, sizeof machine->subject, "agent.%s.%s.rpc", machine->workspace,
                 machine->agent);
}

bool machine_from_path(const char *path, struct machine *out)
{
    *out = (struct machine){.guessed = true};
    const char *slash = strchr(path, '/');
    if (!slash || !take_id(path, (size_t)(slash - path), out->workspace, sizeof out->workspace) ||
        !take_id(slash + 1, strlen(slash + 1), out->agent, sizeof out->agent))
        return false;
    snprintf(out->label, sizeof out->label, "%s", path);
    set_subject(out, NULL);
    return true;
}

static void address(const struct sighting *seen, const char *name, enum generation generation,
                    struct machine *out)
{
    *out = (struct machine){0};
    memcpy(out->workspace, seen->workspace, sizeof out->workspace);
    memcpy(out->agent, seen->agent, sizeof out->agent);
    snprintf(out->label, sizeof out->label, "%s", seen->hello && seen->name[0] ? seen->name : name);
    bool fenced = seen->instance[0] && generation != GENERATION_0_2_0;
    set_subject(out, fenced ? seen->instance : NULL);
}

static bool several(struct directory *directory, const char *name, struct fault *fault)
{
    char list[1024] = "";
    size_t count, told = 0;
    struct sighting *all = directory_list(directory, &count);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(all[i].agent, name, strlen(name)) != 0 && strcmp(all[i].name, name) != 0)
            continue;
        size_t used = strlen(list);
        if (told++ < 8)
            snprintf(list + used, sizeof list - used, "\n  %s/%s %s", all[i].workspace,
                     all[i].agent, all[i].name);
    }
    mem_free(all);
    fault_set(fault, FAULT_MACHINE, "%zu machines are called \"%s\"", told, name);
    size_t used = strlen(fault->text);
    snprintf(fault->text + used, sizeof fault->text - used, ":%s", list); // its lines are wanted
    return false;
}

static bool unheard(const char *name, int64_t wait_ms, const struct sighting *seen,
                    struct fault *fault)
{
    if (seen && seen->state == SIGHTING_LEFT)
        return fault_set(fault, FAULT_OFFLINE, "has just gone offline");
    if (seen)
        return fault_set(fault, FAULT_MACHINE,
                         "has not been heard on an address of the latest generation");
    return fault_set(fault, FAULT_MACHINE,
                     "no machine called \"%s\" has spoken within %lld s "
                     "(ids are heard every 5 s, names every 5 min: see --wait)",
                     name, (long long)(wait_ms + 999) / 1000);
}

bool machine_find(struct directory *directory, const char *name, enum generation generation,
                  int64_t wait_ms, struct machine *out, struct fault *fault)
{
    int64_t until = clock_mono_ms() + wait_ms, settled = 0;
    for (;;) {
        if (interrupted())
            return fault_set(fault, FAULT_INTERRUPTED, "interrupted");
        struct sighting seen;
        enum directory_match match = directory_find(directory, name, &seen);
        bool one = match == MATCH_SURE || match == MATCH_SO_FAR;
        bool usable = one && seen.state != SIGHTING_LEFT &&
                      (generation != GENERATION_LATEST || seen.instance[0]);
        int64_t now = clock_mono_ms();
        if (usable && match == MATCH_SURE) {
            // An agent that serves both addresses announces itself on both, in either order.
            if (!settled)
                settled = now + CTL_SETTLE_MS;
            if (seen.instance[0] || generation == GENERATION_0_2_0 || now >= settled)
                return address(&seen, name, generation, out), true;
        }
        if (now >= until) {
            if (match == MATCH_SEVERAL)
                return several(directory, name, fault);
            if (!usable)
                return unheard(name, wait_ms, one ? &seen : NULL, fault);
            return address(&seen, name, generation, out), true;
        }
        int64_t next = now + CTL_WAIT_SLICE_MS;
        if (settled && settled < next)
            next = settled;
        directory_wait(directory, next < until ? next : until);
    }
}
