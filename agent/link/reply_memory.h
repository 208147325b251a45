// Remembers the reply subjects of the last minute. While two sessions overlap, the server may
// deliver one message to both; the second copy must neither run nor be answered.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct reply_memory;

struct reply_memory *reply_memory_new(void);
void reply_memory_free(struct reply_memory *memory);

// True when the subject was seen less than REPLY_MEMORY_MS before now_ms; remembers it otherwise.
// Thread-safe.
bool reply_memory_seen(struct reply_memory *memory, const char *reply, int64_t now_ms);
