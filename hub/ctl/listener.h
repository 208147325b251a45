// A place on this machine where a program of the same user connects: a port on 127.0.0.1 or a unix
// socket that nobody else may open.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fault;

struct listener {
    int fd;
    uint16_t port;    // 0: a unix socket
    const char *path; // of that; the caller's
};

// path NULL: the port, or any free one with 0. A socket that a dead program has left is replaced.
bool listener_open(struct listener *listener, const char *path, uint16_t port, struct fault *fault)
    __attribute__((warn_unused_result));

// The next connection, non-blocking; -1 when there is none (yet). Others than this user and root
// are turned away.
int listener_accept(const struct listener *listener);

void listener_close(struct listener *listener); // takes the path away; -1 as fd is accepted
