#include "link/settled.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/limits.h"

struct entry {
    UT_hash_handle hh;
    void *id, *reply;
    size_t id_size, reply_size;
    int64_t ended_ms;
};

struct settled {
    pthread_mutex_t lock;
    struct entry *running;
    struct entry *done; // in the order in which they ended
    size_t bytes;       // of the ids and replies kept
};

struct settled *settled_new(void)
{
    struct settled *settled = mem_new(struct settled);
    pthread_mutex_init(&settled->lock, NULL);
    return settled;
}

static void entry_free(struct entry *entry)
{
    mem_free(entry->id);
    mem_free(entry->reply);
    mem_free(entry);
}

static void drop_done(struct settled *settled, struct entry *entry)
{
    HASH_DEL(settled->done, entry);
    settled->bytes -= entry->id_size + entry->reply_size;
    entry_free(entry);
}

void settled_free(struct settled *settled)
{
    if (!settled)
        return;
    struct entry *entry, *next;
    HASH_ITER(hh, settled->running, entry, next)
    {
        HASH_DEL(settled->running, entry);
        entry_free(entry);
    }
    HASH_ITER(hh, settled->done, entry, next)
    {
        drop_done(settled, entry);
    }
    pthread_mutex_destroy(&settled->lock);
    mem_free(settled);
}

static void drop_old(struct settled *settled, int64_t now_ms)
{
    struct entry *entry, *next;
    HASH_ITER(hh, settled->done, entry, next)
    {
        bool full =
            HASH_COUNT(settled->done) > SETTLED_ENTRIES_MAX || settled->bytes > SETTLED_BYTES_MAX;
        if (!full && now_ms - entry->ended_ms <= SETTLED_KEEP_MS)
            return;
        drop_done(settled, entry);
    }
}

enum settled_state settled_begin(struct settled *settled, const void *id, size_t id_size,
                                 int64_t now_ms, void **reply, size_t *reply_size)
{
    enum settled_state state = SETTLED_RUNNING;
    struct entry *entry;
    pthread_mutex_lock(&settled->lock);
    drop_old(settled, now_ms);
    HASH_FIND(hh, settled->done, id, id_size, entry);
    if (entry) {
        state = SETTLED_DONE;
        *reply = mem_copy(entry->reply, entry->reply_size);
        *reply_size = entry->reply_size;
        goto out;
    }
    HASH_FIND(hh, settled->running, id, id_size, entry);
    if (!entry) {
        state = SETTLED_NEW;
        entry = mem_new(struct entry);
        entry->id = mem_copy(id, id_size);
        entry->id_size = id_size;
        HASH_ADD_KEYPTR(hh, settled->running, entry->id, id_size, entry);
    }
out:
    pthread_mutex_unlock(&settled->lock);
    return state;
}

// Takes the entry out of the running ones; NULL when it is not there.
static struct entry *stop_running(struct settled *settled, const void *id, size_t id_size)
{
    struct entry *entry;
    HASH_FIND(hh, settled->running, id, id_size, entry);
    if (entry)
        HASH_DEL(settled->running, entry);
    return entry;
}

void settled_end(struct settled *settled, const void *id, size_t id_size, int64_t now_ms,
                 const void *reply, size_t reply_size)
{
    pthread_mutex_lock(&settled->lock);
    struct entry *entry = stop_running(settled, id, id_size);
    if (entry) {
        entry->ended_ms = now_ms;
        entry->reply = mem_copy(reply, reply_size);
        entry->reply_size = reply_size;
        HASH_ADD_KEYPTR(hh, settled->done, entry->id, id_size, entry);
        settled->bytes += id_size + reply_size;
        drop_old(settled, now_ms);
    }
    pthread_mutex_unlock(&settled->lock);
}

void settled_sweep(struct settled *settled, int64_t now_ms)
{
    pthread_mutex_lock(&settled->lock);
    drop_old(settled, now_ms);
    pthread_mutex_unlock(&settled->lock);
}

void settled_forget(struct settled *settled, const void *id, size_t id_size)
{
    pthread_mutex_lock(&settled->lock);
    struct entry *entry = stop_running(settled, id, id_size);
    if (entry)
        entry_free(entry);
    pthread_mutex_unlock(&settled->lock);
}
