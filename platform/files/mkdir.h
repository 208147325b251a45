// Making directories.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fail;

// Makes one directory, or with parents all that are missing on the way; then it is no failure that
// the directory exists. New ones get 0777 less the umask. A mode that is not 0 is given to the last
// one exactly, also when it existed.
bool directory_make(const char *path, bool parents, uint32_t mode, struct fail *why)
    __attribute__((warn_unused_result));

// Makes what is missing of path, each with that mode less the umask.
bool directory_make_path(const char *path, mode_t mode, struct fail *why)
    __attribute__((warn_unused_result));
