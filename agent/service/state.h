// What systemd says about the service.
#pragma once

#include "service/place.h"

enum { SERVICE_WORD_BYTES = 48 };

struct service_state {
    bool known;                      // systemd has answered
    char load[SERVICE_WORD_BYTES];   // loaded, not-found, masked
    char active[SERVICE_WORD_BYTES]; // active, inactive, failed, activating
    char sub[SERVICE_WORD_BYTES];    // running, dead, auto-restart
    char enabled[SERVICE_WORD_BYTES];
    char text[256]; // what the agent reports with STATUS=
    long pid, restarts, exit_status;
};

// Asks "systemctl show". False with *why when nobody answers.
bool service_state_read(enum service_scope scope, struct service_state *state, struct fail *why)
    __attribute__((warn_unused_result));

// The same from the text of the answer.
void service_state_parse(const char *text, struct service_state *state);
