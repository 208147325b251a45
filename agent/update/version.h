// Version numbers as Semantic Versioning 2.0.0 writes and orders them (https://semver.org).
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { VERSION_TEXT_BYTES = 65 }; // the longest, and its NUL

struct version {
    uint32_t part[3];                // major, minor, patch
    char before[VERSION_TEXT_BYTES]; // of a pre-release: "beta.2"; empty otherwise
};

// "1.2.3", "1.2.3-beta.2"; "+build" may follow and means nothing. A parsed text is safe as a name
// of a file. False for anything else.
bool version_parse(const char *text, struct version *version) __attribute__((warn_unused_result));

// Below 0, 0, or above 0: a comes before b, is equal, comes after it.
int version_compare(const struct version *a, const struct version *b);
