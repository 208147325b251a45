// Characters of a text in UTF-8.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The character that the text begins with; returns its bytes, 0 when they are not UTF-8 (RFC 3629).
size_t characters_next(const char *text, size_t size, uint32_t *character);
