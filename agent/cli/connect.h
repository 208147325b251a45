// Connecting, for a command that finds the machine unconnected.
#pragma once

struct invocation;

// As "connect" does it: with the token, or without one with a code for that workspace. workspace,
// name and channel may be NULL. Returns the exit status.
int connect_first(const struct invocation *invocation, const char *token, const char *workspace,
                  const char *name, const char *channel);
