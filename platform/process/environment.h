// Environments of children: the agent's own without what is meant for the agent alone, overlaid by
// what a request adds.
#pragma once

#include <stddef.h>

#include "base/fail.h"

struct arena;

// A copy of from (environ) without credentials and the service manager's private variables, with
// HOME, USER, LOGNAME, SHELL and PATH filled in from the user database where they are missing.
// Lives until environment_free.
char **environment_base(char *const *from);
void environment_free(char **environment);

// NULL when it is not set.
const char *environment_get(char *const *environment, const char *key);

struct environment_entry {
    const char *key, *value;
};

// What execve(2) wants: base, where an entry's key replaces the variable; of entries with one key
// the last counts. The first element is left NULL for the operation's mark (mark.h): the
// environment proper begins after it. Everything lives in the arena. Fails with FAIL_INVALID for
// a key that is empty or contains '=', with ENOMEM when the arena is full.
bool environment_overlay(struct arena *arena, char *const *base,
                         const struct environment_entry *entries, size_t count, char ***out,
                         struct fail *why) __attribute__((warn_unused_result));
