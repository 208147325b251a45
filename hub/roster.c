#include "hub/roster.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/roster_private.h"

struct moment moment_now(void)
{
    return (struct moment){.mono_ms = clock_boot_ms(), .unix_ms = clock_wall_ms()};
}

struct roster *roster_new(const char *workspace, bool open)
{
    struct roster *roster = mem_new(struct roster);
    pthread_mutex_init(&roster->lock, NULL);
    roster->open = open;
    snprintf(roster->workspace, sizeof roster->workspace, "%s", workspace);
    return roster;
}

void roster_free(struct roster *roster)
{
    if (!roster)
        return;
    for (size_t i = 0; i < roster->count; i++) {
        machine_record_fini(&roster->machines[i]->record);
        mem_free(roster->machines[i]->hello);
        mem_free(roster->machines[i]);
    }
    mem_free(roster->machines);
    pthread_mutex_destroy(&roster->lock);
    mem_free(roster);
}

const char *roster_workspace(const struct roster *roster)
{
    return roster->workspace;
}

void roster_set_open(struct roster *roster, bool open)
{
    pthread_mutex_lock(&roster->lock);
    roster->open = open;
    pthread_mutex_unlock(&roster->lock);
}

// Where the machine is, or would have to be put.
static size_t position(const struct roster *roster, const char *id)
{
    size_t low = 0, high = roster->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(roster->machines[middle]->record.id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct machine *roster_find(struct roster *roster, const char *id)
{
    size_t at = position(roster, id);
    if (at < roster->count && strcmp(roster->machines[at]->record.id, id) == 0)
        return roster->machines[at];
    return NULL;
}

static struct machine *insert(struct roster *roster, const char *id)
{
    size_t at = position(roster, id);
    if (roster->count == roster->room) {
        roster->room = roster->room ? 2 * roster->room : 16;
        roster->machines = mem_resize(roster->machines, roster->room * sizeof *roster->machines);
    }
    memmove(roster->machines + at + 1, roster->machines + at,
            (roster->count - at) * sizeof *roster->machines);
    roster->count++;
    return roster->machines[at] = mem_new(struct machine);
}

void roster_put(struct roster *roster, struct machine_record *record)
{
    pthread_mutex_lock(&roster->lock);
    struct machine *machine = roster_find(roster, record->id);
    if (machine && machine->record.generation > record->generation) {
        machine_record_fini(record); // the newer decision came here first
        pthread_mutex_unlock(&roster->lock);
        return;
    }
    if (!machine) {
        machine = insert(roster, record->id);
    } else if (machine->record.generation != record->generation) {
        machine_dismiss(machine, "enrolled again", record->enrolled_ms);
        machine->banned_ms = 0;
    }
    machine_record_fini(&machine->record);
    machine->record = *record;
    *record = (struct machine_record){0};
    pthread_mutex_unlock(&roster->lock);
}

bool roster_revoke(struct roster *roster, const char *id, int64_t unix_ms)
{
    pthread_mutex_lock(&roster->lock);
    struct machine *machine = roster_find(roster, id);
    if (machine && !machine->record.revoked_ms) {
        machine->record.revoked_ms = unix_ms;
        machine_dismiss(machine, "revoked", unix_ms);
    }
    pthread_mutex_unlock(&roster->lock);
    return machine != NULL;
}

bool roster_rename(struct roster *roster, const char *id, const char *name)
{
    pthread_mutex_lock(&roster->lock);
    struct machine *machine = roster_find(roster, id);
    if (machine) {
        mem_free(machine->record.name);
        machine->record.name = mem_string(name);
    }
    pthread_mutex_unlock(&roster->lock);
    return machine != NULL;
}

bool roster_resolve(struct roster *roster, const char *text, char id[UUID_BYTES], struct fail *why)
{
    size_t size = strlen(text), found = 0;
    char several[FAIL_WHAT_BYTES / 2] = "";
    pthread_mutex_lock(&roster->lock);
    for (size_t i = 0; i < roster->count; i++) {
        const struct machine_record *record = &roster->machines[i]->record;
        bool whole = strcmp(record->id, text) == 0;
        if (!whole && strcmp(record->name, text) != 0 &&
            (size < HUB_ID_PREFIX_MIN || strncmp(record->id, text, size) != 0))
            continue;
        snprintf(id, UUID_BYTES, "%s", record->id);
        size_t used = strlen(several);
        snprintf(several + used, sizeof several - used, " %s", record->id);
        found = whole ? 1 : found + 1;
        if (whole)
            break;
    }
    pthread_mutex_unlock(&roster->lock);
    if (found == 0)
        return fail_because(why, FAIL_INVALID, "there is no machine %s", text);
    if (found > 1)
        return fail_because(why, FAIL_INVALID, "%zu machines are meant by that:%s", found, several);
    return true;
}

struct roster_counts roster_count(struct roster *roster)
{
    struct roster_counts counts = {0};
    pthread_mutex_lock(&roster->lock);
    counts.machines = roster->count;
    for (size_t i = 0; i < roster->count; i++) {
        counts.online += roster->machines[i]->online;
        counts.revoked += roster->machines[i]->record.revoked_ms != 0;
    }
    pthread_mutex_unlock(&roster->lock);
    return counts;
}

void roster_each(struct roster *roster, void (*visit)(void *context, struct machine *machine),
                 void *context)
{
    pthread_mutex_lock(&roster->lock);
    for (size_t i = 0; i < roster->count; i++)
        visit(context, roster->machines[i]);
    pthread_mutex_unlock(&roster->lock);
}

bool roster_visit(struct roster *roster, const char *id,
                  void (*visit)(void *context, struct machine *machine), void *context)
{
    pthread_mutex_lock(&roster->lock);
    struct machine *machine = roster_find(roster, id);
    if (machine)
        visit(context, machine);
    pthread_mutex_unlock(&roster->lock);
    return machine != NULL;
}
