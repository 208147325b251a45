// The first starts of a new version: when it does not come up a few times in a row, the one before
// it is put back. A file beside it counts the starts; the daemon removes it once it is up.
#pragma once

#include "update/layout.h"

// Around a switch to that version. A layout that cannot be written to just has no trial.
void trial_begin(const struct layout *layout, const char *version);
void trial_end(const struct layout *layout, const char *version);

enum trial {
    TRIAL_NONE, // nothing is tried out
    TRIAL_ON,   // this start is one of the first
    TRIAL_LOST, // too many have failed: the previous version is the current one again
};

// The file, for whoever removes it. Freed with mem_free.
char *trial_file(const struct layout *layout, const char *version)
    __attribute__((malloc, warn_unused_result));

// To be called for each start of the agent. *file (freed with mem_free) is what the daemon has to
// remove when TRIAL_ON, and the program to be started instead of this one when TRIAL_LOST.
enum trial trial_start(char **file);
