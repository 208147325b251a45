// One running agent per configuration directory. The kernel drops the lock when its holder dies.
#pragma once

#include <sys/types.h>

#include "config/secure_dir.h"

struct cancel;

enum instance_lock {
    LOCK_TAKEN,
    LOCK_FREE,   // only looked at
    LOCK_HELD,   // by another process
    LOCK_FAILED, // could not be tried; *why says what happened
};

// Takes the lock and writes our pid into its file. *fd keeps it for as long as it is open and is -1
// unless LOCK_TAKEN; *holder is the other process's pid with LOCK_HELD, 0 when it is not known.
enum instance_lock instance_lock_take(const struct secure_dir *config, int *fd, pid_t *holder,
                                      struct fail *why) __attribute__((warn_unused_result));

// The same, but while it is held tries again every CONFIG_LOCK_POLL_MS and says so in the log. Ends
// with LOCK_HELD when cancel fires.
enum instance_lock instance_lock_wait(const struct secure_dir *config, struct cancel *cancel,
                                      int *fd, struct fail *why)
    __attribute__((warn_unused_result));

// Looks without taking it: LOCK_FREE, LOCK_HELD with the holder's pid as above, or LOCK_FAILED.
enum instance_lock instance_lock_probe(const struct secure_dir *config, pid_t *holder,
                                       struct fail *why) __attribute__((warn_unused_result));
