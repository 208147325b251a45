// Removing files and trees.
#pragma once

#include <stdbool.h>

struct cancel;
struct fail;

struct remove_options {
    bool recursive;
    const char *keep;            // this directory is never removed with all it holds; may be NULL
    const struct cancel *cancel; // may be NULL
};

// Removes what is at path itself: a link, not what it leads to. Recursive: a whole tree, entering
// no link, also none that appears meanwhile. The root directory, "keep", and paths that end in "."
// or ".." are refused then, before anything is removed. What was removed before a failure is gone.
bool file_remove(const char *path, const struct remove_options *options, struct fail *why)
    __attribute__((warn_unused_result));
