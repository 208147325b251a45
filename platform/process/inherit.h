// What children start with although the agent itself runs differently: the open-file limit it was
// started with, default signals, an out-of-memory score a little above its own.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

struct inherit {
    uint64_t ignored;      // signals to be set back to default; bit n - 1 is signal n
    struct rlimit files;   // RLIMIT_NOFILE as it was
    bool files_raised;     // and has to be restored
    char oom_score_adj[8]; // for children, as text; empty: leave theirs alone
    int null_fd;           // /dev/null for reading; children without input share it
};

// Recorded at the first call. Call it first thing in main: signals that are set to be ignored
// later would stay ignored in children (SIGPIPE is reset in any case).
const struct inherit *inherit_get(void);

// Raises the agent's own soft limit of open files to the hard one. Children keep the old one.
void inherit_raise_files(void);
