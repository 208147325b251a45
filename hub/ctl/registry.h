// Machines as a hub knows them: by id, the beginning of one, or name, with their state and address.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctl/hub.h"
#include "ctl/machine.h"

struct fault;

// All machines, as the hub's API describes them; for json_decref.
bool registry_list(const struct hub_place *hub, long timeout_ms, json_t **machines,
                   struct fault *fault) __attribute__((warn_unused_result));

// The address of a machine that is connected. Waits up to wait_ms for one that is known and is not.
bool registry_find(const struct hub_place *hub, const char *name, enum generation generation,
                   int64_t wait_ms, struct machine *out, struct fault *fault)
    __attribute__((warn_unused_result));
