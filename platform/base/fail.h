// What went wrong, as the platform sees it. One function above (agent/ops/wire_error.h) turns it
// into the wire's code, message and details.
#pragma once

#include <stdbool.h>

#include "base/limits.h"

enum fail_kind {
    FAIL_NONE,
    FAIL_SYSTEM,      // a system call failed; error holds errno
    FAIL_INVALID,     // the request makes no sense here; what says why
    FAIL_EXISTS,      // the destination of a move exists
    FAIL_NOT_DIR,     // a working directory that is no directory; path holds it
    FAIL_TOO_LARGE,   // the answer cannot fit into one message
    FAIL_UNSUPPORTED, // not available on this machine or in this build
    FAIL_CONSENT,     // the owner has not allowed it
    FAIL_BUSY,        // refused before anything ran; the same request may come again
    FAIL_CANCELLED,   // stopped on request
    FAIL_TIMEOUT,
    FAIL_PROTOCOL,    // the message breaks the protocol
    FAIL_STREAM,      // a relay channel could not be set up
    FAIL_STREAM_DOWN, // the same, and it may work later
    FAIL_MISSING,     // what the request names does not exist (and it is no file)
};

struct fail {
    enum fail_kind kind;
    int error;                         // errno, 0 when there is none
    char what[FAIL_WHAT_BYTES];        // "read", "spawn", or a whole sentence
    char path[FAIL_PATH_BYTES];        // what it was done to; may be empty
    unsigned long long size, size_max; // FAIL_TOO_LARGE: what it would have been, what may be
    unsigned long long output;         // and what the command had printed; 0: no command
    int ended; // FAIL_MISSING: one more than the exit code of what has been there; 0: unknown
};

// All return false, so that a function can end with "return fail_errno(...)". Texts are cut to
// their room at a character boundary. NULL for why is accepted.
bool fail_errno(struct fail *why, int error, const char *what, const char *path);
bool fail_because(struct fail *why, enum fail_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool fail_on_path(struct fail *why, enum fail_kind kind, const char *what, const char *path);
bool fail_too_large(struct fail *why, unsigned long long size, unsigned long long size_max);

// "what path: No such file or directory (os error 2)", for logs and command-line messages.
const char *fail_text(const struct fail *why, char *text, unsigned long room);
enum { FAIL_TEXT_BYTES = FAIL_WHAT_BYTES + FAIL_PATH_BYTES + 128 };
