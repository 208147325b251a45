// The credentials object that an enrolment yields, as a connection.
#pragma once

#include <jansson.h>

#include "base/fail.h"

struct connection;

// Where the credentials come from, and what the machine's owner chose.
struct credentials_origin {
    const char *api_url;      // normalised
    const char *channel;      // of updates
    const char *machine_name; // chosen by the owner; NULL: the host's
    const char *ca_file;      // absolute path of a private CA; NULL: none
};

// NULL with *why when a value is missing, of another type, or of a kind that must not get into
// subjects or requests. No value is quoted.
struct connection *credentials_read(const json_t *object, const struct credentials_origin *origin,
                                    struct fail *why) __attribute__((warn_unused_result));
