// Allocation that cannot fail. For sizes we choose ourselves: a failure aborts. Sizes that come
// from outside are checked against limits.h first, or go through an arena or a buffer with a cap.
#pragma once

#include <stddef.h>

// All return zeroed memory (mem_array) or a copy; never NULL. Freed with mem_free.
void *mem_array(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
void *mem_resize(void *old, size_t size) __attribute__((warn_unused_result));
void *mem_copy(const void *data, size_t size) __attribute__((warn_unused_result));
char *mem_string(const char *text) __attribute__((warn_unused_result));
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2), warn_unused_result));
void mem_free(void *memory);

// A string that held a secret: overwritten, then freed. NULL is accepted.
void mem_free_secret(char *text);

#define mem_new(type) ((type *)mem_array(1, sizeof(type)))
