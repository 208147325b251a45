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

// False when the lock cannot be looked at.
bool live_read(const struct secure_dir *config, struct live *live, struct fail *why)
    __attribute__((warn_unused_result));
void live_fini(struct live *live);
