// Writing a file in place: inode, owner, hard links and mode of a file that exists stay.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fail;

struct write_options {
    bool create_parents;
    bool append;   // else what was there is cut off
    uint32_t mode; // of a new file, less the umask; 0 means 0666
};

// Writes all of content or fails; then a part of it may have been written. The last component may
// be a link, which is followed. A FIFO that nobody reads is ENXIO. SIGPIPE has to be ignored.
//
// A mode that shuts out everybody else marks a secret: missing parents are then made with 0700, and
// a link in the last place that belongs to another user is refused with ELOOP.
bool file_write(const char *path, const void *content, size_t size,
                const struct write_options *options, struct fail *why)
    __attribute__((warn_unused_result));
