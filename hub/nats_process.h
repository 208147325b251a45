// One run of the nats-server program.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct fail;

struct nats_process {
    pid_t pid;
    int pidfd;  // readable when it has ended
    int output; // what it prints on either stream; non-blocking
};

// arguments without the program's name, closed by NULL. The process is killed when the calling
// thread ends.
bool nats_process_start(struct nats_process *process, const char *program,
                        const char *const *arguments, struct fail *why)
    __attribute__((warn_unused_result));

// Ends it if it still runs (kindly, then after wait_ms by force) and closes everything. Its exit
// status, or 128 and the number of the signal that ended it.
int nats_process_end(struct nats_process *process, int wait_ms);
