// Renaming.
#pragma once

#include <stdbool.h>

struct fail;

// Moves within one filesystem; across two it is EXDEV. Without overwrite anything that stands in
// the place of to, also a link that leads nowhere, is FAIL_EXISTS with to as its path; of many that
// race for one place exactly one gets it.
bool file_move(const char *from, const char *to, bool overwrite, struct fail *why)
    __attribute__((warn_unused_result));
