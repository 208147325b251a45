// A remote terminal in front of a person, or of a script: keys out, output in, through losses of
// the relay, until the program ends or the person leaves.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctl/grant.h"
#include "ctl/terminal.h"

struct ctl;

struct session_options {
    struct terminal terminal;
    struct grant_source source;
    int escape; // ESCAPE_OFF: none
    bool ours;  // it was opened just now: it ends with this program, unless it is left
    bool keep;  // but not when this program is made to end
    bool no_stdin;
    int64_t patience_ms; // with a relay or a machine that is away; 0: for ever
};

// Runs it to the end and returns the program's status.
int session_run(struct ctl *ctl, const struct session_options *options);
