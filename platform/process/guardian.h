// A tiny process that outlives the agent, if only for a moment: when the agent dies in whatever
// way, it kills the trees of all commands that were running. Registering a command costs a few
// stores in memory that both share.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

struct tree;

// Forks the guardian. Call it once, before any thread exists and before descriptors are opened that
// must not stay open (it closes all but its own).
bool guardian_start(struct fail *why) __attribute__((warn_unused_result));

// The clean end: the guardian goes without killing anything.
void guardian_stop(void);

// Before the command's process exists: from now on its mark is known. Returns -1 when there is no
// guardian or GUARDIAN_TREES_MAX commands are running; the command is then not guarded.
int guardian_claim(const struct tree *tree);

// Right after the start. Accepts -1, as the next one does.
void guardian_started(int slot, const struct tree *tree);

// Before the leader is waited for: its id may be used again afterwards.
void guardian_release(int slot);
