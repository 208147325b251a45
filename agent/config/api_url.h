// The base address of a deployment's HTTP interface, in one spelling, because connection ids are
// computed from it.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

#define API_URL_DEFAULT "https://app.opengeni.ai"

// Parsed and written again as WHATWG URL does it: white space around it, query, fragment, default
// port and all trailing slashes go, scheme and host become lower case, dot segments are resolved.
// Only http and https, with a host and without user info. *url is freed with mem_free.
bool api_url_normalise(const char *text, char **url, struct fail *why)
    __attribute__((warn_unused_result));

// Both take a normalised URL. path is relative to the base: "v1/enrollments/device/start".
char *api_url_endpoint(const char *url, const char *path)
    __attribute__((malloc, warn_unused_result));

// Whether credentials would cross a network unprotected: http to another machine.
bool api_url_in_clear(const char *url);
