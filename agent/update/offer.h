// Whether a release is meant for this machine, now.
#pragma once

#include "update/manifest.h"

enum offer {
    OFFER_YES,
    OFFER_OLD,   // not newer than what is there; or older than the oldest it may be
    OFFER_LATER, // for other machines first
};

// id names the machine, the same way at each release. The version only ever goes up.
enum offer offer_judge(const struct manifest *manifest, const struct version *current,
                       const char *id);

// Which hundredth of all machines this one is in, 0 to 99.
int offer_bucket(const char *id, const char *salt);
