// The owner's pause: a file in the configuration directory.
#pragma once

#include "config/secure_dir.h"

enum pause {
    PAUSE_NONE,
    PAUSE_NEW,  // nothing new is begun
    PAUSE_KILL, // and what runs is ended
};

// A file that is there but cannot be understood is PAUSE_NEW: the owner wanted something.
enum pause pause_read(const struct secure_dir *config);

bool pause_set(const struct secure_dir *config, bool kill, struct fail *why)
    __attribute__((warn_unused_result));
bool pause_clear(const struct secure_dir *config, struct fail *why)
    __attribute__((warn_unused_result));
