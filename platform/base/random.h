// Random numbers from the kernel.
#pragma once

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t size);
uint64_t random_below(uint64_t bound); // uniform in [0, bound); 0 for a bound of 0

enum { UUID_BYTES = 37 };
void random_uuid(char uuid[UUID_BYTES]); // version 4, lower case, RFC 9562
