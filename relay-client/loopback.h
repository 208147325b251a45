// Our end of a connection that starts and ends in this process: a listener on 127.0.0.1 that takes
// one connection, from one of our own sockets and from nobody else.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

// *listener is a non-blocking descriptor, *port where it listens.
bool loopback_listen(int *listener, uint16_t *port, struct fail *why)
    __attribute__((warn_unused_result));

// The connection of one of our own sockets, non-blocking, without delay; -1 when none has come yet.
// Connections of strangers are closed.
int loopback_accept(int listener);
