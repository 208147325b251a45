// A unit that an older version has made is brought up to date by the newer one, when systemd starts
// that: nobody else will after an update.
#pragma once

#include "base/fail.h"

enum service_refresh {
    REFRESH_NONE, // there is nothing to do; most of the time
    REFRESH_DONE, // the unit is new, and systemd starts the agent by it: this process has to end
    REFRESH_LEFT, // it is old and stays so; *why tells the reason
};

// program is the path that the unit starts this very process by. Only a unit that unit_text made
// and nobody has changed is replaced, and only when systemd says that it runs this process.
enum service_refresh service_refresh(const char *program, struct fail *why)
    __attribute__((warn_unused_result));
