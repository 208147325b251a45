// UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, nothing above U+10FFFF.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;

bool utf8_valid(const char *text, size_t size);

// Length of the longest prefix of at most max bytes that does not end inside a character.
size_t utf8_cut(const char *text, size_t max);

// The text itself when it is valid, else a copy with U+FFFD for each bad sequence; NULL only when
// the arena is full.
const char *utf8_repair(struct arena *arena, const char *text);
