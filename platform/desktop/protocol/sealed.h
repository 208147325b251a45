// Bytes handed to another process in a memory file that nobody can change or shrink afterwards
// (memfd_create(2), F_ADD_SEALS of fcntl(2)): the reader may map it and trust it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"

struct iovec;

// A sealed file with the pieces in order, close-on-exec; -1 with *why.
int sealed_new(const char *name, const struct iovec *pieces, size_t count, struct fail *why)
    __attribute__((warn_unused_result));

// Whether fd is sealed and holds exactly size bytes.
bool sealed_check(int fd, size_t size, struct fail *why) __attribute__((warn_unused_result));

// Copies size bytes from its start.
bool sealed_read(int fd, void *out, size_t size, struct fail *why)
    __attribute__((warn_unused_result));
