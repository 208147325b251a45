// One Xvfb and the window manager in it. Both die with the thread that started them.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/fail.h"
#include "desktop_virtual/geometry.h"

struct cancel;

struct server_setup {
    unsigned number; // of the display, or the next free ones after it
    struct geometry geometry;
    const char *authority;    // file with its cookie
    char *const *environment; // of both programs, without DISPLAY
};

struct server {
    unsigned number;
    pid_t pid, manager_pid;
    int pidfd, manager_pidfd; // readable when it has ended; manager: -1: there is none
};

// Returns when the server takes clients. A display number that somebody else uses is left alone.
// FAIL_UNSUPPORTED: there is no Xvfb. FAIL_CANCELLED when cancel fired.
bool server_start(struct server *server, const struct server_setup *setup, struct cancel *cancel,
                  struct fail *why) __attribute__((warn_unused_result));

// Starts the first window manager that is installed; without one the screen works as well.
void server_start_manager(struct server *server, const struct server_setup *setup);
void server_reap_manager(struct server *server); // after it has ended

// Ends both, VIRTUAL_GRACE_MS patiently, and takes away what they leave in /tmp.
void server_stop(struct server *server);
