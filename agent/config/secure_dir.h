// A directory that only its owner can write to. Everything in it is reached through the open
// descriptor, so that nobody can swap the path underneath.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/fail.h"

struct secure_dir {
    char *path;  // absolute, for messages
    int fd;      // -1 while the directory does not exist
    uid_t owner; // of the directory
};

// Opens path; that it does not exist is no failure. Refused: a directory that its group or others
// may write to, and one of another user than us or root. For root, any_owner lifts the latter.
bool secure_dir_open(struct secure_dir *dir, const char *path, bool any_owner, struct fail *why)
    __attribute__((warn_unused_result));

// The same for a directory inside parent, which may belong to parent's owner too and must not be a
// symbolic link. With create it is made (mode 0700) when it is missing.
bool secure_dir_open_below(const struct secure_dir *parent, const char *name, bool create,
                           struct secure_dir *dir, struct fail *why)
    __attribute__((warn_unused_result));

void secure_dir_fini(struct secure_dir *dir);

// Takes away what permissions group and others have.
bool secure_dir_tighten(const struct secure_dir *dir, struct fail *why)
    __attribute__((warn_unused_result));

// Gives a new file to the directory's owner, when we are root: what root leaves in a user's
// directory has to stay that user's.
bool secure_dir_give(const struct secure_dir *dir, int fd) __attribute__((warn_unused_result));

// True for files of ourselves, of root and of the directory's owner.
bool secure_dir_trusts(const struct secure_dir *dir, uid_t owner);

// Path of a file in it, for messages; freed with mem_free.
char *secure_dir_file(const struct secure_dir *dir, const char *name)
    __attribute__((malloc, warn_unused_result));

// All names but . and .., sorted by bytes. A missing directory has none, as has a failure.
struct secure_names {
    char **names;
    size_t count;
};
bool secure_dir_list(const struct secure_dir *dir, struct secure_names *names, struct fail *why)
    __attribute__((warn_unused_result));
void secure_names_fini(struct secure_names *names);
