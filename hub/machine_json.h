// A machine as the API shows it.
#pragma once

#include <jansson.h>

struct machine;

enum machine_detail { MACHINE_SUMMARY, MACHINE_WHOLE };

json_t *machine_json(const struct machine *machine, const char *workspace,
                     enum machine_detail detail);
