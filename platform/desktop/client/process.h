// The desktop process as a child of the daemon. Counted: a thread may wait for its answer while
// another finds that it hangs and kills it.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

struct process;

// arguments: what it is to do, as argv with its name first. held: memory it shares with the next
// one, -1 for none. NULL with *why when it cannot be started.
struct process *process_start(const char *program, char *const *arguments, int held,
                              struct fail *why);
struct process *process_ref(struct process *process);

// The last one hangs up, which ends the process; one that does not end within two seconds is
// killed.
void process_unref(struct process *process); // NULL is accepted

// Our ends of its sockets, the process's own.
int process_view(const struct process *process);
int process_input(const struct process *process);

bool process_ended(const struct process *process); // by itself, or was killed

void process_kill(struct process *process);
