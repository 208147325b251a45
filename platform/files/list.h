// Listing a directory.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "files/entry.h"

struct cancel;
struct fail;

struct list_options {
    bool recursive;              // directories are followed by what they hold; links not entered
    size_t entries_max;          // more are FAIL_TOO_LARGE, found out before any is looked at
    const struct cancel *cancel; // may be NULL
};

// Gets each entry: its path relative to the listed directory ("x", "sub/x"), as the bytes of the
// filesystem, and where in it the name begins. Both last for the call. False ends the listing with
// *why.
typedef bool (*list_emit)(void *context, const char *path, size_t name_at,
                          const struct entry *entry, struct fail *why);

// Everything but "." and "..", each directory sorted by bytes. What vanishes meanwhile is left out;
// a subdirectory that cannot be read is listed and not entered.
bool directory_list(const char *path, const struct list_options *options, list_emit emit,
                    void *context, struct fail *why) __attribute__((warn_unused_result));
