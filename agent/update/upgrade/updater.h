// Runs "opengeni-agent update --managed" and listens to what it says: one word and two values a
// line. The daemon itself speaks no HTTP.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

enum { UPDATER_WORD_BYTES = 64 };

struct updater {
    const char *program, *config_dir;
    const char *ca_file; // NULL: none
    const char *version, *channel, *operation_id;
    atomic_int *child; // holds its pid while it runs, then 0
    void (*line)(void *argument, const char *word, const char *first, const char *second);
    void *argument;
};

// True when it has installed the version. Else code is what it has said of its failure, or empty.
bool updater_run(const struct updater *updater, char code[UPDATER_WORD_BYTES])
    __attribute__((warn_unused_result));
