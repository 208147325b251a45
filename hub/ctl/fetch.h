// A remote file in pieces, in order: several are asked for ahead, so that a long way costs little.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl;
struct fault;
struct progress;

struct sink {
    // Takes the next bytes; false with a fault ends the transfer.
    bool (*take)(void *self, const void *data, size_t size, struct fault *fault);
    void *self;
};

// Reads the file of ctl's machine, as large as it was at the first look. FAULT_LOCAL when it has
// become shorter meanwhile. *done: bytes that the sink has taken.
bool fetch_file(struct ctl *ctl, const char *path, const struct sink *sink,
                struct progress *progress, uint64_t *done, struct fault *fault)
    __attribute__((warn_unused_result));
