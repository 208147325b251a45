// What a release channel offers: a JSON document, signed (update/minisign.h) before it is read.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "update/version.h"

enum { MANIFEST_DIGEST_BYTES = 32 }; // SHA-256

struct artifact {
    char *target;            // "x86_64-unknown-linux-gnu"
    char *url, *minisig_url; // absolute, or relative to the base URL
    unsigned char sha256[MANIFEST_DIGEST_BYTES];
    int64_t size; // in bytes; 0: not told
};

struct manifest {
    char *channel;
    char version_text[VERSION_TEXT_BYTES];
    struct version version, min_supported;
    int rollout_percent; // 0 to 100 of all machines are to have it
    char *cohort_salt;   // another one draws another lot of machines
    char *notes_url;     // for people; may be empty
    int64_t signed_at_ms;
    bool force; // for all machines at once
    struct artifact *artifacts;
    size_t artifact_count;
};

// NULL with *why when anything is wrong with it: also when it is of another channel, has no version
// that can be read, or names a target twice. Freed with manifest_free.
struct manifest *manifest_parse(const char *text, size_t size, const char *channel,
                                struct fail *why) __attribute__((warn_unused_result));
void manifest_free(struct manifest *manifest);

// Of that target; NULL with *why when there is none.
const struct artifact *manifest_artifact(const struct manifest *manifest, const char *target,
                                         struct fail *why) __attribute__((warn_unused_result));

// An address in a manifest made absolute; base has no slash at its end. Freed with mem_free.
char *manifest_url(const char *base, const char *url) __attribute__((malloc, warn_unused_result));
