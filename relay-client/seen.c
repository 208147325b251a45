#include "relay/seen.h"

#include "base/alloc.h"

void seen_init(struct seen *seen)
{
    *seen = (struct seen){0};
}

void seen_fini(struct seen *seen)
{
    mem_free(seen->frames);
    seen_init(seen);
}

// FNV-1a, 64 bits (RFC 9923).
static uint64_t hash(uint64_t state, const void *data, size_t size)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < size; i++)
        state = (state ^ at[i]) * 0x100000001b3;
    return state;
}

bool seen_is_new(struct seen *seen, uint64_t seq, int64_t produced_at_ms, const void *data,
                 size_t size)
{
    uint64_t state = 0xcbf29ce484222325;
    state = hash(state, &produced_at_ms, sizeof produced_at_ms);
    state = hash(state, &size, sizeof size);
    state = hash(state, data, size);
    for (size_t i = 0; i < seen->count; i++)
        if (seen->frames[i].seq == seq && seen->frames[i].hash == state)
            return false;
    if (!seen->frames)
        seen->frames = mem_array(SEEN_FRAMES, sizeof *seen->frames);
    seen->frames[seen->next] = (struct seen_frame){seq, state};
    seen->next = (seen->next + 1) % SEEN_FRAMES;
    seen->count += seen->count < SEEN_FRAMES;
    return true;
}
