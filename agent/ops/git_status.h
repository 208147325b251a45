// Reads what `git status --porcelain=v2 --branch` prints (git-status(1), "Porcelain Format
// Version 2").
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/opengeni_agent.pb-c.h"

struct arena;

// NULL only when the arena is full. Lines that are not understood are passed over. Texts are made
// valid UTF-8. An unmerged path is reported with its XY, as not staged.
Og__GitStatus *git_status_parse(struct arena *arena, const char *text, size_t size)
    __attribute__((warn_unused_result));

// A text in double quotes as git writes it (quote.c: \a \b \f \n \r \t \v \" \\ and three octal
// digits) without them; any other text as it is. NULL only when the arena is full.
char *git_unquote(struct arena *arena, const char *text, size_t size)
    __attribute__((warn_unused_result));
