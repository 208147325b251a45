// Replies that had no session to go out on. They leave with the next one, if it comes in time: the
// caller's inbox belongs to its own session and may still be waited on.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox;

struct outbox *outbox_new(void);
void outbox_free(struct outbox *outbox);

// Keeps a copy until until_ms (clock_mono_ms). Dropped when LATE_REPLIES_BYTES_MAX would be passed.
void outbox_put(struct outbox *outbox, const char *subject, const void *data, size_t size,
                int64_t until_ms);

bool outbox_is_empty(struct outbox *outbox);

struct letter {
    struct letter *next; // internal
    int64_t until_ms;
    size_t size;
    char *subject;
    void *data;
};

// Hands every reply that is still in time to send, oldest first, and forgets it; one that send
// returns false for is kept.
void outbox_empty(struct outbox *outbox, int64_t now_ms,
                  bool (*send)(void *argument, const struct letter *letter), void *argument);
