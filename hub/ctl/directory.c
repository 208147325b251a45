#include "ctl/directory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "ctl/announcement.h"
#include "ctl/fault.h"

#define uthash_malloc(size)       mem_array(1, size)
#define uthash_free(memory, size) mem_free(memory)
#define HASH_INITIAL_NUM_BUCKETS  64u
#include <uthash.h>

struct entry {
    struct sighting seen;
    char key[2 * SIGHTING_ID_BYTES]; // workspace/agent
    UT_hash_handle hh;
};

struct directory {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t changes, told; // announcements so far, and those that a wait has returned for
    struct entry *entries;  // a uthash
    natsSubscription *subscriptions[ANNOUNCEMENT_PATTERNS];
};

struct directory *directory_new(void)
{
    struct directory *directory = mem_new(struct directory);
    pthread_mutex_init(&directory->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&directory->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return directory;
}

void directory_free(struct directory *directory)
{
    if (!directory)
        return;
    struct entry *entry, *next;
    HASH_ITER(hh, directory->entries, entry, next)
    {
        HASH_DEL(directory->entries, entry);
        mem_free(entry);
    }
    pthread_cond_destroy(&directory->changed);
    pthread_mutex_destroy(&directory->lock);
    mem_free(directory);
}

static void on_message(natsConnection *nats, natsSubscription *subscription, natsMsg *message,
                       void *directory)
{
    (void)nats, (void)subscription;
    directory_feed(directory, natsMsg_GetSubject(message), natsMsg_GetData(message),
                   (size_t)natsMsg_GetDataLength(message));
    natsMsg_Destroy(message);
}

bool directory_listen(struct directory *directory, natsConnection *nats, struct fault *fault)
{
    natsStatus status = NATS_OK;
    for (size_t i = 0; status == NATS_OK && i < ANNOUNCEMENT_PATTERNS; i++)
        status = natsConnection_Subscribe(&directory->subscriptions[i], nats,
                                          announcement_patterns[i], on_message, directory);
    if (status != NATS_OK)
        return fault_set(fault, FAULT_SERVER, "listen: %s", natsStatus_GetText(status));
    return true;
}

void directory_stop(struct directory *directory)
{
    // nats.c 3.4 loses the memory of messages that are still queued when a subscription ends.
    for (size_t i = 0; i < ANNOUNCEMENT_PATTERNS; i++)
        if (directory->subscriptions[i])
            natsSubscription_Drain(directory->subscriptions[i]);
    for (size_t i = 0; i < ANNOUNCEMENT_PATTERNS; i++) {
        if (directory->subscriptions[i])
            natsSubscription_WaitForDrainCompletion(directory->subscriptions[i], CTL_DRAIN_MS);
        natsSubscription_Destroy(directory->subscriptions[i]);
        directory->subscriptions[i] = NULL;
    }
}

static struct entry *entry_for(struct directory *directory, const struct announcement *from)
{
    char key[2 * SIGHTING_ID_BYTES];
    snprintf(key, sizeof key, "%s/%s", from->workspace, from->agent);
    struct entry *entry;
    HASH_FIND_STR(directory->entries, key, entry);
    if (entry || HASH_COUNT(directory->entries) >= CTL_MACHINES_MAX)
        return entry;
    entry = mem_new(struct entry);
    memcpy(entry->key, key, sizeof key);
    snprintf(entry->seen.workspace, sizeof entry->seen.workspace, "%s", from->workspace);
    snprintf(entry->seen.agent, sizeof entry->seen.agent, "%s", from->agent);
    HASH_ADD_STR(directory->entries, key, entry);
    return entry;
}

void directory_feed(struct directory *directory, const char *subject, const void *data, size_t size)
{
    struct announcement from;
    if (!announcement_parse(subject, &from))
        return;
    struct arena arena;
    arena_init(&arena, REQUEST_ARENA_BASE + REQUEST_ARENA_FACTOR * size);
    struct sighting heard = {0};
    if (announcement_read(&from, &arena, data, size, &heard)) {
        pthread_mutex_lock(&directory->lock);
        struct entry *entry = entry_for(directory, &from);
        if (entry)
            announcement_merge(&from, &heard, &entry->seen);
        directory->changes++;
        pthread_cond_signal(&directory->changed);
        pthread_mutex_unlock(&directory->lock);
    }
    arena_fini(&arena);
}

void directory_wait(struct directory *directory, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_mutex_lock(&directory->lock);
    while (directory->changes == directory->told)
        if (pthread_cond_timedwait(&directory->changed, &directory->lock, &until) != 0)
            break;
    directory->told = directory->changes;
    pthread_mutex_unlock(&directory->lock);
}

static int by_place(const void *a_, const void *b_)
{
    const struct sighting *a = a_, *b = b_;
    int order = strcmp(a->workspace, b->workspace);
    if (order == 0)
        order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->agent, b->agent);
}

struct sighting *directory_list(struct directory *directory, size_t *count)
{
    pthread_mutex_lock(&directory->lock);
    *count = HASH_COUNT(directory->entries);
    struct sighting *list = *count ? mem_array(*count, sizeof *list) : NULL, *at = list;
    for (struct entry *entry = directory->entries; list && entry; entry = entry->hh.next)
        *at++ = entry->seen;
    pthread_mutex_unlock(&directory->lock);
    if (list)
        qsort(list, *count, sizeof *list, by_place);
    return list;
}

enum directory_match directory_find(struct directory *directory, const char *name,
                                    struct sighting *out)
{
    size_t size = strlen(name), found = 0;
    bool whole = false;
    pthread_mutex_lock(&directory->lock);
    for (struct entry *entry = directory->entries; entry; entry = entry->hh.next) {
        const struct sighting *seen = &entry->seen;
        bool exact = strcmp(seen->agent, name) == 0 || strcmp(entry->key, name) == 0 ||
                     (seen->hello && strcmp(seen->name, name) == 0);
        if (!exact && (whole || strncmp(seen->agent, name, size) != 0))
            continue;
        // A name or a whole id comes before ids that merely begin like it.
        if (exact && !whole)
            found = 0;
        whole |= exact;
        found++;
        *out = *seen;
    }
    pthread_mutex_unlock(&directory->lock);
    if (found != 1)
        return found ? MATCH_SEVERAL : MATCH_NONE;
    return whole || size >= CTL_PREFIX_SURE ? MATCH_SURE : MATCH_SO_FAR;
}
