// Whether an agent runs on this configuration directory, and what it says about itself.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "config/status_file.h"

struct live {
    bool running;
    pid_t pid;    // 0 when it is not known
    bool reports; // status is of the running process
    struct status status;
    struct arena arena; // of status
};

// What it wrote last: an agent writes when a connection changes its state. False when the lock
// cannot be looked at.
bool live_read(const struct secure_dir *config, struct live *live, struct fail *why)
    __attribute__((warn_unused_result));

// Asks it to write anew and reads that, within STATUS_ASK_MS. One that does not answer, or is of a
// build that cannot be asked, leaves what live_read has found.
void live_refresh(const struct secure_dir *config, struct live *live);

void live_fini(struct live *live);

// The process is a daemon of this build's kind; signals mean something else to others.
bool live_is_daemon(pid_t pid);
