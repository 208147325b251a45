// A few threads that share one loop: the caller works too and returns when all is done. For
// compressing a large picture on every core.
#pragma once

#include <stddef.h>

struct crew;

// hands: how many work at once, the caller among them; at least 1.
struct crew *crew_new(unsigned hands);
void crew_free(struct crew *crew);
unsigned crew_hands(const struct crew *crew);

// Calls work(context, hand, i) for each i below count; hand tells which of the hands does it, so
// that each can have memory of its own. One caller at a time.
void crew_run(struct crew *crew, size_t count, void (*work)(void *context, unsigned hand, size_t i),
              void *context);
