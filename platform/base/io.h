// Whole reads and writes on descriptors.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buffer;

// All go on after EINTR. False leaves errno set.
bool io_write_all(int fd, const void *data, size_t size) __attribute__((warn_unused_result));
bool io_read_to_end(int fd, struct buffer *out) __attribute__((warn_unused_result)); // EFBIG: full
bool io_read_file(int dir, const char *path, struct buffer *out)
    __attribute__((warn_unused_result));

void io_close(int *fd); // closes unless -1, then stores -1
