// Requests about one terminal of the machine: open, size, end; and whether it is still there, asked
// without waiting.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/opengeni_agent.pb-c.h"

struct call;
struct ctl;
struct fault;

enum { TERMINAL_ID_BYTES = 65, TERMINAL_PORT = 7681 };

struct terminal {
    char id[TERMINAL_ID_BYTES], channel[TERMINAL_ID_BYTES];
    char workspace[80], agent[80];
    uint16_t port;
};

// Copies an id of the machine's; false when there is none, no room for it, or when it has
// characters that do harm on a screen or a command line.
bool terminal_text(const char *text, char *out, size_t room) __attribute__((warn_unused_result));

// What the agent answered to an open; or, without an answer, a terminal by its id alone.
bool terminal_open(struct ctl *ctl, Og__PtyOpenRequest *request, struct terminal *out)
    __attribute__((warn_unused_result)); // false: told
bool terminal_named(struct ctl *ctl, const char *id, struct terminal *out)
    __attribute__((warn_unused_result)); // false: told

// Our agents remember what was typed, and pass over what is typed again.
bool terminal_knows_frames(const struct terminal *terminal);

// Ends it. exit_code -1: it was still running, or the machine does not know.
bool terminal_close(struct ctl *ctl, const char *id, int *exit_code, struct fault *fault)
    __attribute__((warn_unused_result));

// A size that is on its way to the machine; 0 x 0 only asks for the terminal.
struct sizing {
    struct call *call; // NULL: none
    int64_t until_ms;
    int exit_code; // SIZING_NO_TERMINAL: its program's, if it has ended lately; -1: not known
};
enum sizing_answer { SIZING_WAITS, SIZING_DONE, SIZING_NO_TERMINAL, SIZING_OFFLINE, SIZING_LOST };
bool sizing_send(struct sizing *sizing, struct ctl *ctl, const char *id, unsigned cols,
                 unsigned rows);
enum sizing_answer sizing_look(struct sizing *sizing, struct ctl *ctl);
void sizing_fini(struct sizing *sizing, struct ctl *ctl);
