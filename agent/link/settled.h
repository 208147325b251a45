// The idempotency journal of exec and git: a request id that came before never runs again. While
// it runs, a repetition is refused; afterwards it gets the stored reply, byte for byte.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct settled;

struct settled *settled_new(void);
void settled_free(struct settled *settled);

enum settled_state {
    SETTLED_NEW,     // never seen: now noted as running
    SETTLED_RUNNING, // it has not ended yet
    SETTLED_DONE,    // *reply holds a copy of its reply; free with mem_free
};

// id: raw bytes of the request id, not empty. Thread-safe, as all of these.
enum settled_state settled_begin(struct settled *settled, const void *id, size_t id_size,
                                 int64_t now_ms, void **reply, size_t *reply_size);

// The request has ended with this encoded reply. A reply too large to keep is forgotten, id and
// all, as are the oldest ones beyond SETTLED_ENTRIES_MAX and SETTLED_BYTES_MAX.
void settled_end(struct settled *settled, const void *id, size_t id_size, int64_t now_ms,
                 const void *reply, size_t reply_size);

// Lets go of replies that are older than SETTLED_KEEP_MS.
void settled_sweep(struct settled *settled, int64_t now_ms);

// The request was dropped before anything ran: it may come again.
void settled_forget(struct settled *settled, const void *id, size_t id_size);
