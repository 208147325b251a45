// The cookie that opens a virtual screen: without one, any user of the machine could look.
#pragma once

#include "base/fail.h"

// Replaces the file by one with a new MIT-MAGIC-COOKIE-1, readable by its owner alone.
bool authority_write(const char *path, struct fail *why) __attribute__((warn_unused_result));
