// Small private files, written so that a crash at any moment leaves the old or the new content.
#pragma once

#include "base/buffer.h"
#include "config/secure_dir.h"

enum secure_kind {
    SECURE_SECRET, // for its owner's eyes alone: looser permissions are taken away
    SECURE_TEXT,   // others may read but not write it, or it is refused
};

enum secure_mode { MODE_TIGHT, MODE_TIGHTENED, MODE_LOOSE };

// Reads the whole of a regular file of at most max bytes, never through a symbolic link, and only
// when its owner is trusted. *mode (may be NULL) tells what was found and done about permissions.
// On success out is to be given to secure_file_forget, on failure it holds nothing. A missing file
// is a failure with why->error ENOENT, also when the directory is missing.
bool secure_file_read(const struct secure_dir *dir, const char *name, enum secure_kind kind,
                      size_t max, struct buffer *out, enum secure_mode *mode, struct fail *why)
    __attribute__((warn_unused_result));

// Overwrites what was read, then frees it.
void secure_file_forget(struct buffer *data);

enum secure_write { SECURE_REPLACE, SECURE_CREATE };

// Writes a file of mode 0600 in one step that is on disk when this returns. SECURE_CREATE fails
// with EEXIST instead of replacing. On failure the old file stays as it was.
bool secure_file_write(const struct secure_dir *dir, const char *name, enum secure_write how,
                       const void *data, size_t size, struct fail *why)
    __attribute__((warn_unused_result));

// Removes a file for good; that it is missing already is no failure.
bool secure_file_remove(const struct secure_dir *dir, const char *name, struct fail *why)
    __attribute__((warn_unused_result));

// Removes what writers left behind that were killed more than an hour ago.
void secure_file_sweep(const struct secure_dir *dir);
