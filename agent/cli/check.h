// What self-check looks at: one function each, one table.
#pragma once

#include <stdbool.h>

#include "config/secure_dir.h"

enum check_result { CHECK_OK, CHECK_WARN, CHECK_FAIL };

enum { CHECK_DETAIL_BYTES = 512 };

struct check_input {
    const char *api_url, *ca_file;
    struct secure_dir config; // filled by the first check; fd is -1 when there is none
    pid_t agent;              // whose control group is looked at; 0: our own
};

struct check {
    const char *name;
    // Writes one line for people; a failed check says what to do.
    enum check_result (*run)(struct check_input *input, char detail[CHECK_DETAIL_BYTES]);
};

extern const struct check checks[]; // closed by a NULL name
