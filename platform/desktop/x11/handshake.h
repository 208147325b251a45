// Finds out whether an X server lets us in, and with which cookie, before a library is trusted with
// it: the library would wait for ever for a server that does not answer.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "desktop_protocol/protocol.h"
#include "desktop_x11/xauth.h"

struct handshake {
    enum desktop_opened opened;          // OPENED, NO_SERVER, REFUSED, SILENT or REMOTE
    struct xauth_cookie cookie;          // the one that worked; size 0: none was needed
    char text[DESKTOP_REASON_BYTES_MAX]; // for a person, when it did not work
};

// Connects, says hello and hangs up. xauthority: a file, "" for none; it need not exist. own: a
// server of somebody else than our user or root is as good as none, and learns nothing. Waits
// until deadline_ms of the monotonic clock at most.
void handshake_try(const char *display, const char *xauthority, bool own, int64_t deadline_ms,
                   struct handshake *out);
