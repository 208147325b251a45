// The mark that a command's environment carries, and with it that of every descendant that has not
// been given a new one: OPENGENI_OPERATION=<number of the agent><number of the operation>, 16 hex
// digits each.
#pragma once

#include <stdint.h>
#include <sys/types.h>

enum { MARK_BYTES = 19 + 32 + 1 };

void mark_make(uint64_t number, char mark[MARK_BYTES]);

// The number of the operation whose mark the process was started with; 0: no mark of this agent,
// or a process whose environment may not be read. proc: a descriptor of /proc.
uint64_t mark_of(int proc, pid_t pid);

// Chooses the agent's number, at random, unless that has been done: before a fork that shall know
// it, too.
void mark_begin(void);
