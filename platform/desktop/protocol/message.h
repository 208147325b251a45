// One struct a message over a SOCK_SEQPACKET socket, with at most one descriptor (unix(7)).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Both ends, close-on-exec.
bool message_pair(int fds[2]) __attribute__((warn_unused_result));

// fd: goes along, -1 for none; stays the caller's. Never blocks: false with EAGAIN when the peer
// does not read. False leaves errno set.
bool message_send(int socket, const void *data, size_t size, int fd)
    __attribute__((warn_unused_result));

// One message without waiting: its size, 0 when the peer has gone, -1 with errno (EAGAIN: none is
// there; EMSGSIZE: it did not fit or brought more than one descriptor, and is dropped). *fd is the
// caller's, -1 when none came.
ssize_t message_receive(int socket, void *data, size_t room, int *fd)
    __attribute__((warn_unused_result));
