// A local file that appears under its name only when it is complete.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault;

struct target {
    int fd;          // -1: none
    char *path;      // what it will be
    char *temporary; // beside it; NULL: written in place, because it is no regular file
};

// Opens what PATH will become: a directory stands for a file in it, called as remote is; "-" for
// standard output. mode: permission bits of a new file, before the umask.
bool target_open(struct target *target, const char *path, const char *remote, uint32_t mode,
                 struct fault *fault) __attribute__((warn_unused_result));
bool target_write(struct target *target, const void *data, size_t size, struct fault *fault)
    __attribute__((warn_unused_result));

// Puts the finished file in its place.
bool target_commit(struct target *target, struct fault *fault) __attribute__((warn_unused_result));

void target_fini(struct target *target); // takes away what was not committed
