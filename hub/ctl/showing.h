// A machine's desktop in front of one VNC viewer: what the viewer says on a local socket goes to
// the machine through the relay, and back. The machine speaks RFB (RFC 6143) on the channel of a
// live view once it has heard the viewer's version line there.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

struct ctl;
struct fault;
struct grant_source;

struct showing_channel {
    char id[CHANNEL_ID_BYTES_MAX + 1];
    char workspace[CHANNEL_ID_BYTES_MAX + 1], agent[CHANNEL_ID_BYTES_MAX + 1];
    uint16_t port;
    int64_t opened_ms; // mono
};

// Has the machine show its desktop on a new channel.
bool showing_open(struct ctl *ctl, struct showing_channel *out, struct fault *fault)
    __attribute__((warn_unused_result));

// Serves a viewer until it leaves, or an interrupt comes. False when the view was lost; the viewer
// has been told, if it still listened. The channel is used up. socket: non-blocking, the caller's.
bool showing_run(struct ctl *ctl, const struct grant_source *source,
                 const struct showing_channel *channel, int socket, struct fault *fault)
    __attribute__((warn_unused_result));

// For a viewer that cannot be served: it shows the text to the person.
void showing_refuse(int socket, const char *text);
