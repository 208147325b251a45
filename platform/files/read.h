// Reading a range of a file.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct fail;

struct file_content {
    void *data; // in the arena, with room around it (arena_roomy); NULL when size is 0
    size_t size;
    uint64_t total; // of the whole file, whatever the range
};

// The bytes [offset, offset + length) as far as the file has them, never fewer; a length of 0 means
// to the end. Links are followed. More than max bytes are FAIL_TOO_LARGE, with the number of bytes
// as its size; a regular file is then not read at all.
//
// Nothing here waits: a FIFO and a socket are EINVAL, and so is a device unless a length is given.
// A file that does not know its size (procfs) is read to its end to find out, up to
// FS_UNSIZED_BYTES_MAX.
bool file_read(struct arena *arena, const char *path, uint64_t offset, uint64_t length, size_t max,
               struct file_content *out, struct fail *why) __attribute__((warn_unused_result));
