// A release as a channel offers it: found, then fetched; nothing counts before its signature does.
#pragma once

#include "update/fetch.h"
#include "update/offer.h"

struct release_source {
    struct minisign_key key;
    const char *base;    // no slash at its end
    const char *channel; // "stable"
    struct fetch_from from;
};

// The channel's manifest, verified and read. To be freed with manifest_free.
struct manifest *release_look(const struct release_source *source, struct fail *why)
    __attribute__((warn_unused_result));

// Writes the artifact to fd. *fetched tells whether a failure is of the transfer (false) or of what
// came (true).
bool release_fetch(const struct release_source *source, const struct artifact *artifact, int fd,
                   bool *fetched, struct fail *why) __attribute__((warn_unused_result));
