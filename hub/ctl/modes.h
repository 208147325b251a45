// What a remote program has switched on at the person's terminal: the other screen, the mouse,
// bracketed paste. Whoever leaves in the middle has to switch it off again.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { MODES_RESET_BYTES = 160 };

struct modes {
    unsigned changed; // bits of the table in modes.c that are not as usual
    int state;
    unsigned number;
    unsigned seen; // bits of the sequence that is being read
};

// Looks at what is printed. Sequences may be cut anywhere.
void modes_feed(struct modes *modes, const char *data, size_t size);

bool modes_other_screen(const struct modes *modes);

// What to print to have everything as usual; returns its size, 0 for nothing to do.
size_t modes_reset(struct modes *modes, char out[MODES_RESET_BYTES]);
