// Graphical sessions of this user, as logind keeps them under /run/systemd/sessions (the file
// format is systemd's own: NAME=value lines).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/limits.h"

enum session_type { SESSION_OTHER, SESSION_X11, SESSION_WAYLAND };

struct session {
    enum session_type type;
    bool active;
    char display[DESKTOP_NAME_BYTES_MAX]; // "" when it has none
};

// Sessions of the user in that directory, at most max. 0 also where there is no logind.
size_t sessions_read(const char *directory, uid_t uid, struct session *sessions, size_t max);
