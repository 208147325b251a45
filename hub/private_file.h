// Small files that only their owner may read: keys, tokens, generated configuration.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct fail;

// Reads a whole file of the directory; false with ENOENT when it is missing. Links and files that
// others may read or that belong to others are refused.
bool private_file_read(int dir, const char *name, struct buffer *out, struct fail *why)
    __attribute__((warn_unused_result));

// Replaces the file in one step that survives a power cut. Mode 0600.
bool private_file_write(int dir, const char *name, const void *data, size_t size, struct fail *why)
    __attribute__((warn_unused_result));

// Writes the file unless it exists, in the same way. Exactly one of several makers wins.
bool private_file_create(int dir, const char *name, const void *data, size_t size, bool *created,
                         struct fail *why) __attribute__((warn_unused_result));
