#include "picture/palette.h"

#include <string.h>

#define MARK 0x01000000u // tells black from a free slot

void palette_init(struct palette *palette)
{
    memset(palette, 0, sizeof *palette);
    pthread_mutex_init(&palette->lock, NULL);
}

void palette_fini(struct palette *palette)
{
    pthread_mutex_destroy(&palette->lock);
}

void palette_clear(struct palette *palette)
{
    palette->count = 0;
    atomic_store(&palette->full, false);
    memset(&palette->index, 0, sizeof palette->index);
}

unsigned palette_bits(const struct palette *palette)
{
    return palette->count <= 2 ? 1 : palette->count <= 4 ? 2 : palette->count <= 16 ? 4 : 8;
}

// The slot that holds the key or is free for it. At most PALETTE_MAX of the slots are ever taken.
static unsigned slot_of(const struct palette_index *index, uint32_t key)
{
    unsigned slot = (key * 0x9e3779b1u) >> 22; // multiplicative hashing, 10 bits
    while (index->keys[slot] != 0 && index->keys[slot] != key)
        slot = (slot + 1) % PALETTE_SLOTS;
    return slot;
}

// The number of a colour this thread has not met: another may have.
static bool look_up(struct palette *palette, struct palette_index *own, unsigned own_slot,
                    uint32_t key)
{
    bool found = true;
    pthread_mutex_lock(&palette->lock);
    unsigned slot = slot_of(&palette->index, key);
    if (palette->index.keys[slot] == 0) {
        if (palette->count < PALETTE_MAX) {
            palette->index.keys[slot] = key;
            palette->index.numbers[slot] = (uint8_t)palette->count;
            palette->colours[palette->count++] = key & 0xffffff;
        } else {
            atomic_store_explicit(&palette->full, true, memory_order_relaxed);
            found = false;
        }
    }
    if (found) {
        own->keys[own_slot] = key;
        own->numbers[own_slot] = palette->index.numbers[slot];
    }
    pthread_mutex_unlock(&palette->lock);
    return found;
}

// How many pixels from x on have the colour; most of a screen is long runs of one.
static unsigned run_of(const uint32_t *row, unsigned x, unsigned width, uint32_t colour)
{
    const uint64_t both = (uint64_t)colour << 32 | colour, mask = 0x00ffffff00ffffff;
    unsigned start = x;
    for (; x + 4 <= width; x += 4) {
        uint64_t pairs[2];
        memcpy(pairs, row + x, sizeof pairs);
        if ((((pairs[0] ^ both) | (pairs[1] ^ both)) & mask) != 0)
            break;
    }
    while (x < width && (row[x] & 0xffffff) == colour)
        x++;
    return x - start;
}

bool palette_row(struct palette *palette, struct palette_index *own, const uint32_t *row,
                 unsigned width, uint8_t *numbers)
{
    if (atomic_load_explicit(&palette->full, memory_order_relaxed))
        return false;
    for (unsigned x = 0; x < width;) {
        uint32_t colour = row[x] & 0xffffff, key = colour | MARK;
        unsigned slot = slot_of(own, key);
        if (own->keys[slot] == 0 && !look_up(palette, own, slot, key))
            return false;
        uint8_t number = own->numbers[slot];
        numbers[x++] = number;
        if (x < width && (row[x] & 0xffffff) == colour) {
            unsigned run = run_of(row, x, width, colour);
            memset(numbers + x, number, run);
            x += run;
        }
    }
    return true;
}
