// One question to the desktop process and its answer.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "desktop_protocol/protocol.h"

struct cancel;
struct process;

enum call_result {
    CALL_ANSWERED,  // the answer may be a failure
    CALL_NOT_HEARD, // the process had ended before: nothing has happened
    CALL_ENDED,     // it ended before it answered
    CALL_LATE,      // the deadline passed, and it does not react any more
    CALL_STOPPED,   // the deadline passed, and it has stopped when it was told to
    CALL_CANCELLED,
};

// request: version and serial are filled in. fd goes along, -1 for none. *answer_fd: the caller's,
// -1 when none came. Input is told to stop when it is late or cancelled.
enum call_result call_process(struct process *process, struct desktop_request *request, int fd,
                              int64_t deadline_ms, struct cancel *cancel,
                              struct desktop_answer *answer, int *answer_fd);
