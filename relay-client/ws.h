// One WebSocket to a server, from the look-up of its name to the last byte. For the stream thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

struct ws;

struct ws_target {
    bool tls;
    const char *host; // IPv6 without brackets
    uint16_t port;
    const char *path;    // with the query
    const char *ca_file; // beside the system's store, or NULL
    bool bulk;           // long messages come in: use larger buffers
    int64_t timeout_ms;  // until it is open
    int64_t ping_ms;     // silence after which to ask whether anybody is there; 0: never
    int64_t silence_ms;  // silence after which the connection counts as dead; 0: never
};

// A piece of a message.
struct ws_piece {
    const void *data;
    size_t size;
    bool first, last, binary;
};

struct ws_events {
    void (*opened)(void *owner);
    void (*received)(void *owner, const struct ws_piece *piece);
    void (*writable)(void *owner); // once after each ws_want_write; the place for one ws_send
    void (*closed)(void *owner, const struct fail *why); // the last event; the ws is gone
};

// Never fails at once: what goes wrong comes with closed().
struct ws *ws_dial(const struct ws_target *target, const struct ws_events *events, void *owner);

void ws_want_write(struct ws *ws);

// Sends size bytes at data as one binary message. There are WS_HEADROOM bytes of the caller's room
// before data; both are overwritten (masked).
enum { WS_HEADROOM = 32 };
void ws_send(struct ws *ws, void *data, size_t size);

// Stops and resumes reading. A little more may still come in after a pause. Silence does not count
// meanwhile.
void ws_pause(struct ws *ws, bool paused);

// Ends it with a close code (RFC 6455 7.4.1). No event follows, the ws is no longer the caller's.
enum ws_code { WS_NORMAL = 1000, WS_TOO_LARGE = 1009 };
void ws_close(struct ws *ws, enum ws_code code);

int ws_socket(const struct ws *ws); // of an open one, to tune it
