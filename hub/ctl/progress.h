// "file  45%  12M of 27M  8.1M/s", renewed on the terminal while a transfer goes on. Nothing when
// stderr is no terminal.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown; // there is a line on the terminal
    bool active;
    char label[64];
    uint64_t total; // 0: unknown
    int64_t started_ms, printed_ms;
};

// quiet: never show anything.
void progress_init(struct progress *progress, const char *label, bool quiet);
void progress_at(struct progress *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *progress); // takes the line away
