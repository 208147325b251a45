#include "link/reply_memory.h"

#include <pthread.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/random.h"

enum { FIRST_SLOTS = 256 }; // a power of two

// A 64-bit keyed hash stands for the subject: among the entries of a minute two equal ones by
// chance are rarer than a broken memory chip, and nobody outside can aim for it.
struct slot {
    uint64_t hash; // 0: free
    int64_t at_ms;
};

struct reply_memory {
    pthread_mutex_t lock;
    uint64_t key;
    size_t slots, used;
    struct slot *table;
};

struct reply_memory *reply_memory_new(void)
{
    struct reply_memory *memory = mem_new(struct reply_memory);
    pthread_mutex_init(&memory->lock, NULL);
    random_bytes(&memory->key, sizeof memory->key);
    memory->slots = FIRST_SLOTS;
    memory->table = mem_array(memory->slots, sizeof *memory->table);
    return memory;
}

void reply_memory_free(struct reply_memory *memory)
{
    if (!memory)
        return;
    pthread_mutex_destroy(&memory->lock);
    mem_free(memory->table);
    mem_free(memory);
}

// FNV-1a from a random start, finished with the mixer of MurmurHash3.
static uint64_t hash_of(uint64_t key, const char *text)
{
    uint64_t h = 0xcbf29ce484222325u ^ key;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    return h ? h : 1;
}

static struct slot *find(struct reply_memory *memory, uint64_t hash)
{
    size_t i = hash & (memory->slots - 1);
    while (memory->table[i].hash && memory->table[i].hash != hash)
        i = (i + 1) & (memory->slots - 1);
    return &memory->table[i];
}

// Drops what has aged out, and doubles the table when that did not free half of it. At the largest
// size it drops the older half instead.
static void make_room(struct reply_memory *memory, int64_t now_ms)
{
    struct slot *old = memory->table;
    size_t slots = memory->slots;
    int64_t keep_since = now_ms - REPLY_MEMORY_MS;
    size_t live = 0;
    for (size_t i = 0; i < slots; i++)
        live += old[i].hash && old[i].at_ms > keep_since;
    if (live > slots / 4 && slots >= (size_t)REPLY_MEMORY_SLOTS_MAX) {
        int64_t oldest = now_ms;
        for (size_t i = 0; i < slots; i++)
            if (old[i].hash && old[i].at_ms < oldest)
                oldest = old[i].at_ms;
        keep_since = oldest + (now_ms - oldest) / 2;
    } else if (live > slots / 4) {
        memory->slots = slots * 2;
    }
    memory->table = mem_array(memory->slots, sizeof *memory->table);
    memory->used = 0;
    for (size_t i = 0; i < slots; i++)
        if (old[i].hash && old[i].at_ms > keep_since) {
            *find(memory, old[i].hash) = old[i];
            memory->used++;
        }
    mem_free(old);
}

bool reply_memory_seen(struct reply_memory *memory, const char *reply, int64_t now_ms)
{
    uint64_t hash = hash_of(memory->key, reply);
    pthread_mutex_lock(&memory->lock);
    struct slot *slot = find(memory, hash);
    bool seen = slot->hash && now_ms - slot->at_ms < REPLY_MEMORY_MS;
    if (!seen) {
        if (!slot->hash && (memory->used + 1) * 2 > memory->slots) {
            make_room(memory, now_ms);
            slot = find(memory, hash);
        }
        memory->used += !slot->hash;
        *slot = (struct slot){.hash = hash, .at_ms = now_ms};
    }
    pthread_mutex_unlock(&memory->lock);
    return seen;
}
