// The unit's file on disk.
#pragma once

#include "service/place.h"

enum unit_write { UNIT_WRITTEN, UNIT_UNCHANGED, UNIT_REFUSED, UNIT_FAILED };

// Puts the text there in one step. A unit that a person wrote or changed is refused, or with force
// kept as <unit>.bak. *why is set for UNIT_FAILED.
enum unit_write unit_file_write(const struct service_place *place, const char *text, bool force,
                                struct fail *why) __attribute__((warn_unused_result));

// Whether the file there is, or may become, a person's: then it is neither replaced nor removed
// without force. False for one that is missing.
bool unit_file_is_foreign(const struct service_place *place);

// A person's unit is kept as <unit>.bak. That it is missing is no failure.
bool unit_file_remove(const struct service_place *place, struct fail *why)
    __attribute__((warn_unused_result));
