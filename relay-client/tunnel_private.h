// What both kinds of tunnel have in common. Two hold on to one: the owner, and whoever moves its
// bytes (the stream thread, or a thread of its own).
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "relay/tunnel.h"

struct tunnel_kind {
    // Begins to work on what tunnel_open has filled in.
    bool (*start)(struct tunnel *tunnel, struct fail *why);
    // The owner goes; takes his reference. Callable from any thread.
    void (*close)(struct tunnel *tunnel);
    void (*free)(struct tunnel *tunnel); // what it has beside struct tunnel; NULL: nothing
    size_t size;                         // of the struct that begins with a struct tunnel
};

struct tunnel {
    const struct tunnel_kind *kind;
    atomic_uint references;
    enum tunnel_scheme scheme;
    char *host, *path, *ca_file; // path and ca_file may be NULL
    int64_t deadline_ms;
    uint16_t remote_port;
    uint16_t port;  // of the loopback listener, written before it is settled
    int settled_fd; // an eventfd, readable as soon as it is settled

    pthread_mutex_t lock; // of the rest
    bool established, ended;
    struct fail why; // of the end
};

extern const struct tunnel_kind tunnel_over_ws, tunnel_over_tls;

// For the mover: the far side is there and so is the listener.
void tunnel_established(struct tunnel *tunnel, uint16_t port);

// For the mover: nothing is moved any more. The first reason counts.
void tunnel_ended(struct tunnel *tunnel, const struct fail *why);

void tunnel_unref(struct tunnel *tunnel);
