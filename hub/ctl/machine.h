// A machine as an address, and requests to it with the retries that are safe.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctl/directory.h"
#include "ctl/rpc.h"

struct fault;

// Two generations of control planes address a machine differently.
enum generation { GENERATION_ANY, GENERATION_0_2_0, GENERATION_LATEST };

enum { MACHINE_SUBJECT_BYTES = 4 * SIGHTING_ID_BYTES };

struct machine {
    char workspace[SIGHTING_ID_BYTES], agent[SIGHTING_ID_BYTES];
    char label[SIGHTING_NAME_BYTES]; // for messages: as the person named it
    char subject[MACHINE_SUBJECT_BYTES];
    bool fenced;  // the address names a process of the agent
    bool guessed; // the address was put together, not heard
};

// "<workspace>/<agent>" as an address without an instance. False when the text is something else.
bool machine_from_path(const char *path, struct machine *out);

// Listens until the machine of that name has spoken. FAULT_MACHINE when none or several have.
bool machine_find(struct directory *directory, const char *name, enum generation generation,
                  int64_t wait_ms, struct machine *out, struct fault *fault)
    __attribute__((warn_unused_result));

struct call_options {
    int64_t timeout_ms; // 0: as long as the machine answers pings
    unsigned tries;     // of a request that the agent was too busy to begin; 0: as usual
};

// Sends a request and waits for its reply. Only what has certainly not begun is sent again.
bool machine_call(const struct machine *machine, struct rpc *rpc, const Og__ControlRequest *request,
                  const struct call_options *options, struct reply *reply, struct fault *fault)
    __attribute__((warn_unused_result));
