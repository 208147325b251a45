// Memory for secrets: whatever is freed here is overwritten first, whatever its size.
#pragma once

#include <stddef.h>

void *secret_alloc(size_t size) __attribute__((malloc, warn_unused_result)); // may be NULL
void secret_free(void *memory);                                              // NULL is accepted

// Overwrites a text where it stands, for command lines and environments.
void secret_wipe(char *text);
