// A machine as the API shows it.
#pragma once

#include <jansson.h>

struct machine;

// What a list shows of each machine, for people and for the names that a shell completes.
json_t *machine_summary(struct machine *machine);

json_t *machine_json(const struct machine *machine, const char *workspace);
