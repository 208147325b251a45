// From an offered release to the current version: fetch, verify, unpack beside what is there, try
// out, switch. Until the switch nothing of the installation changes, and the switch is one step.
#pragma once

#include "update/layout.h"
#include "update/release.h"

enum update_step { UPDATE_DOWNLOADING, UPDATE_VERIFYING, UPDATE_APPLYING };

enum update_end {
    UPDATE_DONE,
    UPDATE_NOT_FETCHED,
    UPDATE_NOT_VERIFIED,
    UPDATE_NOT_APPLIED,
    UPDATE_UNHEALTHY, // the new version does not work here; the old one is in place
    UPDATE_STUCK,     // the same, and the old one could not be put back
};

// told may be NULL; it is called at the beginning of each step. *why is set unless UPDATE_DONE.
enum update_end update_install(const struct release_source *source, const struct manifest *manifest,
                               const struct artifact *artifact, struct layout *layout,
                               void (*told)(enum update_step step), struct fail *why)
    __attribute__((warn_unused_result));
