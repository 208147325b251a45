// Runs one command to its end, in plain blocking code: feeds it, collects what it prints, and stops
// it with all that it started when asked to or when its time is up.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/fail.h"
#include "process/child.h"

struct command {
    struct child_setup setup; // feed is set from input_size
    const void *input;        // for its stdin
    size_t input_size;        // 0: stdin is /dev/null
    int64_t timeout_ms;       // from the start; 0: none
    int cancel_fd;            // readable: stop; -1: none
    size_t output_max;        // of stdout and stderr together; what is beyond is only counted
    bool kill_background;     // what the command leaves behind does not survive its end
};

struct command_result {
    int exit_code;       // -1: ended by a signal, or stopped
    bool timed_out;      // stopped because its time was up
    bool cancelled;      // stopped on request
    int64_t duration_ms; // from the start to the result
    struct buffer out, err;
    uint64_t output_size; // of both, including what was not kept
};

// Fails only when nothing has run (child_start). Otherwise the result belongs to the caller, who
// frees it with command_result_fini. What stops the command once it has ended by itself does not
// change its result any more. SIGPIPE must be ignored or blocked.
//
// Descendants that hold the command's pipes delay the result by EXEC_HOLD_MS at most.
bool command_run(const struct command *command, struct command_result *result, struct fail *why)
    __attribute__((warn_unused_result));
void command_result_fini(struct command_result *result);
