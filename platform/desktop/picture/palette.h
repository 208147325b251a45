// The colours of a picture while there are no more than a PNG palette can hold. Colours get their
// number in the order they are met, and keep it, so that strips compressed earlier stay valid.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { PALETTE_MAX = 256, PALETTE_SLOTS = 1024 };

// Colour to number, found without a lock.
struct palette_index {
    uint32_t keys[PALETTE_SLOTS]; // colour with a mark, 0: free
    uint8_t numbers[PALETTE_SLOTS];
};

struct palette {
    pthread_mutex_t lock;
    uint32_t colours[PALETTE_MAX];
    unsigned count;
    atomic_bool full; // a colour came that has no room
    struct palette_index index;
};

void palette_init(struct palette *palette);
void palette_fini(struct palette *palette);
void palette_clear(struct palette *palette);

// Bits a pixel needs in a PNG: 1, 2, 4 or 8.
unsigned palette_bits(const struct palette *palette);

// Numbers of width pixels of 0x??RRGGBB. own is the calling thread's copy of the index: zeroed when
// the palette is cleared, filled as colours are met. False when the palette is full.
bool palette_row(struct palette *palette, struct palette_index *own, const uint32_t *row,
                 unsigned width, uint8_t *numbers);
