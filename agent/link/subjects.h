// The subjects of one machine. Two generations of the control plane address a machine differently:
// by agent alone ("legacy"), or by agent and process instance ("fenced").
#pragma once

#include <stdbool.h>

enum address { ADDRESS_LEGACY, ADDRESS_FENCED, ADDRESSES };

enum { SUBJECT_TOKEN_BYTES = 64, SUBJECT_BYTES = 256 };

struct subjects {
    struct address_subjects {
        char rpc[SUBJECT_BYTES];    // requests come in
        char ack[SUBJECT_BYTES];    // acknowledgements of streamed operations come in
        char hello[SUBJECT_BYTES];  // the self-description goes out
        char events[SUBJECT_BYTES]; // heartbeats and the goodbye go out
    } at[ADDRESSES];
};

// False when an id cannot be a subject token: empty, longer than SUBJECT_TOKEN_BYTES, or with a
// character outside [A-Za-z0-9_-].
bool subjects_init(struct subjects *subjects, const char *workspace_id, const char *agent_id,
                   const char *instance_id);
