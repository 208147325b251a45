// systemctl and its kin: found where systems keep them, run without a shell.
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/fail.h"

// Its absolute path, from the system's own directories first, so that nobody's $PATH can put
// another in its place. An absolute path is itself. Freed with mem_free; NULL when there is none.
char *tool_find(const char *name) __attribute__((warn_unused_result));

// Runs it to its end, at most SERVICE_TOOL_MS, with stdin empty. *status is its exit status, 128
// and the signal's number when one ended it. out (NULL: not wanted, goes to our stderr) receives
// its standard output. argv[0] is the name. False when it could not be run or took too long.
bool tool_run(const char *const argv[], struct buffer *out, int *status, struct fail *why)
    __attribute__((warn_unused_result));

// One program by its path, which is not looked for.
struct tool {
    const char *path;
    const char *const *argv;
    char *const *environment; // NULL: ours
    int timeout_ms;
};
bool tool_run_at(const struct tool *tool, struct buffer *out, int *status, struct fail *why)
    __attribute__((warn_unused_result));
