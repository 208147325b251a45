// Why a command of the client failed: the machine said so, it could not be reached, or something
// was wrong at this end. struct fail knows the platform only; this one knows both ends of the wire.
#pragma once

#include <stdbool.h>

#include "proto/opengeni_agent.pb-c.h"

struct fail;

enum fault_kind {
    FAULT_NONE,
    FAULT_AGENT,       // a typed error of the agent
    FAULT_TIMEOUT,     // no answer in time
    FAULT_OFFLINE,     // nobody listened on the machine's subject: nothing has been begun
    FAULT_GONE,        // the machine went away while it was at work
    FAULT_MACHINE,     // no such machine, or several
    FAULT_SERVER,      // the server cannot be reached, refuses us, or is gone
    FAULT_LOCAL,       // files and memory at this end
    FAULT_INTERRUPTED, // by a signal
};

enum { FAULT_TEXT_BYTES = 4608, FAULT_DETAIL_BYTES = 1024 };

struct fault {
    enum fault_kind kind;
    Og__ErrorCode code;               // FAULT_AGENT
    bool retryable;                   // FAULT_AGENT
    int error;                        // errno of the machine, 0 when it gave none
    int exit_code;                    // of what is asked about and has ended, -1 when not given
    char text[FAULT_TEXT_BYTES];      // for a person; control characters are taken out
    char details[FAULT_DETAIL_BYTES]; // "NOT_FOUND errno=2 context=...", FAULT_AGENT
};

// Exit statuses, as "opengeni-ctl help" lists them. Of commands that pass a remote status through,
// as env(1) and timeout(1) have them, the last ones.
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_MACHINE = 3,
    STATUS_SERVER = 4,
    STATUS_TIMED_OUT = 124,
    STATUS_NOT_STARTED = 125,
    STATUS_CANNOT_RUN = 126,
    STATUS_NOT_FOUND = 127,
    STATUS_SIGNAL = 255, // ended by one; the wire does not say which. As ssh(1)
};

// All return false, so that a function can end with "return fault_set(...)".
bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool fault_local(struct fault *fault, int error, const char *what, const char *path); // or NULL
bool fault_fail(struct fault *fault, enum fault_kind kind, const struct fail *why);
bool fault_agent(struct fault *fault, const Og__AgentError *error);

// Exit status that tells the fault; runs: of a command that passes a remote status through.
int fault_status(const struct fault *fault, bool runs);

bool fault_is(const struct fault *fault, Og__ErrorCode code);
