// The parts of doctor. Each appends lines to the report: how something is, and what to do about it.
#pragma once

#include "cli/check.h"
#include "cli/live.h"
#include "config/connections.h"

struct doctor {
    struct check_input input;
    struct connections connections;
    struct live live;
    struct json_t *report; // NULL: as text, at once
    size_t failures, warnings;
};

// One line. advice may be NULL; it is left out when there is nothing to complain about.
void doctor_say(struct doctor *doctor, enum check_result result, const char *name,
                const char *advice, const char *format, ...) __attribute__((format(printf, 5, 6)));

void doctor_files(struct doctor *doctor);   // permissions and owners, before anything mends them
void doctor_machine(struct doctor *doctor); // versions, service, lingering, display
void doctor_network(struct doctor *doctor); // credentials, links, brokers, relays, APIs, the clock
