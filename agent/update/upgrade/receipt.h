// The receipt of the last update that a control plane has asked for. Each hello repeats it, which
// is how the control plane learns that the update has succeeded.
#pragma once

#include "base/random.h"
#include "config/secure_dir.h"

#define RECEIPT_FILE "completed-update.json"

enum { RECEIPT_VERSION_BYTES = 65, RECEIPT_SHA256_BYTES = 65 };

struct receipt {
    char operation_id[UUID_BYTES];
    char target_version[RECEIPT_VERSION_BYTES];
    char binary_sha256[RECEIPT_SHA256_BYTES]; // of the daemon, lower-case hex
};

bool receipt_write(const struct secure_dir *config, const struct receipt *receipt, struct fail *why)
    __attribute__((warn_unused_result));

// All texts are empty when there is none. False with *why when there is one that makes no sense.
bool receipt_read(const struct secure_dir *config, struct receipt *receipt, struct fail *why)
    __attribute__((warn_unused_result));

// The same for the text of the file.
bool receipt_parse(const char *text, size_t size, struct receipt *receipt, struct fail *why)
    __attribute__((warn_unused_result));

// Whether a text is a UUID, in either case; a SHA-256 in lower-case hex.
bool receipt_is_uuid(const char *text);
bool receipt_is_sha256(const char *text);
