// The one place that turns what went wrong into the wire's error.
#pragma once

#include "base/fail.h"
#include "proto/agent_error.h"

// op: the operation's label. Texts go into the arena; when that is full the error is told without.
void wire_error(struct agent_error *error, struct arena *arena, const char *op,
                const struct fail *why);
