// Fetches files of a release over HTTPS, bounded in size and time. Plain HTTP only from this very
// machine, or where its owner named such an address.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/fail.h"
#include "update/manifest.h"
#include "update/minisign.h"

struct fetch_from {
    const char *ca_file; // a private CA beside what everything trusts (trust/trust.h); NULL: none
    bool plain;          // http:// may be used
    bool files;          // file:// may be used
};

struct fetch_digests {
    unsigned char sha256[MANIFEST_DIGEST_BYTES];
    unsigned char blake2b[MINISIGN_DIGEST_BYTES];
    int64_t size;
};

// The whole of a small file, in place of what out holds; its maximum is out's.
bool fetch_text(const struct fetch_from *from, const char *url, struct buffer *out,
                struct fail *why) __attribute__((warn_unused_result));

// Writes a file of at most max bytes to fd, from where that stands, and digests it on the way. On
// failure what has been written is there.
bool fetch_file(const struct fetch_from *from, const char *url, int64_t max, int fd,
                struct fetch_digests *digests, struct fail *why)
    __attribute__((warn_unused_result));
