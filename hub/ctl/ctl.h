// One run of opengeni-ctl: what the command line said, the connection, the machine it is about.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "ctl/arguments.h"
#include "ctl/connect.h"
#include "ctl/fault.h"
#include "ctl/hub.h"
#include "ctl/machine.h"
#include "ctl/rpc.h"
#include "ctl/server.h"

struct ctl;
struct directory;

// One word of the command line; the table is in commands.c.
struct command {
    const char *name;
    const char *operands; // "MACHINE [PATH]..."
    const char *summary;  // one line
    const char *notes;    // more lines for the help, each ended; may be NULL
    const struct argument *arguments;
    bool runs; // passes a remote exit status through; options end at the first operand
    int (*run)(struct ctl *ctl, struct arguments *args);
};

struct ctl {
    const struct command *command;
    const char *server_url, *token_file; // NULL: found as usual
    enum generation generation;
    int64_t wait_ms;    // how long to listen for machines; 0: as usual
    int64_t timeout_ms; // for an answer; 0: the command's own
    bool json, verbose;

    struct hub_source hub_source; // what the command line said about a hub
    struct hub_place hub;
    bool has_hub;  // it tells where machines are; otherwise they are listened for
    bool unguided; // neither hub nor server was named or found: the usual address is a guess

    struct server server;
    struct connection connection;
    struct directory *directory; // NULL until somebody listens
    struct rpc *rpc;
    struct machine machine;
    int status; // of the program, once something has failed
};

// The whole program: argv as main() got it; the result is the exit status.
int ctl_main(int argc, char **argv);

// Like arguments_next, but takes care of the options that all commands have, and tells the person
// what is wrong before it returns ARGUMENTS_BAD: then the command returns ctl->status.
int ctl_option(struct ctl *ctl, struct arguments *args, const char **value);

// For a value that makes no sense; returns ctl->status.
int ctl_misuse(struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

// False, and said so, unless there are so many operands.
bool ctl_operands(struct ctl *ctl, const struct arguments *args, int min, int max)
    __attribute__((warn_unused_result));

// Finds the hub, if there is one, and the server; false when that failed and has been said.
bool ctl_find(struct ctl *ctl) __attribute__((warn_unused_result));

// Connects to the server; false when that failed and has been said.
bool ctl_online(struct ctl *ctl) __attribute__((warn_unused_result));

// Connects again after the connection was closed; what was in flight is dropped.
bool ctl_reconnect(struct ctl *ctl, struct fault *fault) __attribute__((warn_unused_result));

// Connects, and finds the machine of that name.
bool ctl_machine(struct ctl *ctl, const char *name) __attribute__((warn_unused_result));

int64_t ctl_timeout(const struct ctl *ctl); // for the answer of an ordinary request, ms

// Nobody listened at an address that was put together, not heard: listens for another one.
bool ctl_elsewhere(struct ctl *ctl, struct fault *fault) __attribute__((warn_unused_result));

// A request to the machine, where a failure is the caller's business.
bool ctl_try(struct ctl *ctl, const Og__ControlRequest *request, const struct call_options *options,
             struct reply *reply, struct fault *fault) __attribute__((warn_unused_result));

// The same where a failure is told. What the reply holds is valid until reply_fini.
bool ctl_call(struct ctl *ctl, const Og__ControlRequest *request, struct reply *reply)
    __attribute__((warn_unused_result));

// Tells the fault on stderr and sets ctl->status, which it returns.
int ctl_fault(struct ctl *ctl, const struct fault *fault);

// Prints a value, which it releases.
void ctl_json(json_t *value);

// A text of a machine, stripped of what could steer a terminal, to be freed with mem_free.
char *ctl_text(const char *text);

bool ctl_flush(struct ctl *ctl); // stdout; false, and said so, when it could not all be written
