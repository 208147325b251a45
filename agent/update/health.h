// Whether programs that were just unpacked work on this machine.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

// dir holds bin/; each program has to tell the version, and the new agent's self-check must find no
// fault that the running one does not find.
bool health_check(const char *dir, const char *version, struct fail *why)
    __attribute__((warn_unused_result));
