// How install.sh lays the programs out, so that all of them change in one step:
//
//     <prefix>/lib/opengeni-agent/1.0.0/bin/...   one directory for each version
//                                 current -> 1.0.0
//                                 previous -> ...  what was current before
//     <prefix>/bin/opengeni-agent -> ../lib/opengeni-agent/current/bin/opengeni-agent
//
// A running program goes on with the directory that it was started from.
#pragma once

#include <stdbool.h>

#include "base/fail.h"
#include "config/secure_dir.h"

struct layout {
    struct secure_dir root; // .../lib/opengeni-agent
    char *own;              // name of the directory in it that this program runs from
    char *current;          // what "current" leads to
};

// Finds it from where this program lies. Fails for programs that lie in no such place, and where
// others than the owner could change them.
bool layout_find(struct layout *layout, struct fail *why) __attribute__((warn_unused_result));
void layout_fini(struct layout *layout);

// Whether this user may change it.
bool layout_writable(const struct layout *layout);

// One updater at a time; the lock goes with the layout. False when another one is at work.
bool layout_lock(const struct layout *layout, struct fail *why) __attribute__((warn_unused_result));

// Makes that directory the current one, and what was current the previous one. It is on disk when
// this returns.
bool layout_switch(struct layout *layout, const char *name, struct fail *why)
    __attribute__((warn_unused_result));

// Back to the previous one; there is no previous one then.
bool layout_switch_back(struct layout *layout, struct fail *why)
    __attribute__((warn_unused_result));

// Removes all but the current and the previous version, and what broken-off updates have left.
void layout_sweep(const struct layout *layout);

// The path to start this program by, that stays right when the version changes: through "current"
// where there is one, else its own. Freed with mem_free; NULL with *why when it is not known.
char *layout_program(struct fail *why) __attribute__((warn_unused_result));
