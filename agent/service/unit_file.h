// The unit's file on disk.
#pragma once

#include "service/place.h"

enum unit_write { UNIT_WRITTEN, UNIT_UNCHANGED, UNIT_REFUSED, UNIT_FAILED };

// Puts the text there in one step. A unit that a person wrote or changed is refused, or with force
// kept as <unit>.bak. *why is set for UNIT_FAILED.
enum unit_write unit_file_write(const struct service_place *place, const char *text, bool force,
                                struct fail *why) __attribute__((warn_unused_result));

// That it is missing is no failure.
bool unit_file_remove(const struct service_place *place, struct fail *why)
    __attribute__((warn_unused_result));
