// Hellos and events as bytes on a subject: who says what.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ctl/directory.h"

struct arena;

enum { ANNOUNCEMENT_PATTERNS = 4 };

// The subjects to listen on: hellos and events, without and with a process instance.
extern const char *const announcement_patterns[ANNOUNCEMENT_PATTERNS];

struct announcement {
    char workspace[SIGHTING_ID_BYTES], agent[SIGHTING_ID_BYTES], instance[SIGHTING_ID_BYTES];
    bool hello; // else an event
};

// False when the subject is none of the patterns', or an id in it is too long.
bool announcement_parse(const char *subject, struct announcement *out);

// Decodes the payload; texts of the machine are stripped of control characters. False when it is
// damaged or says nothing about a machine.
bool announcement_read(const struct announcement *from, struct arena *arena, const void *data,
                       size_t size, struct sighting *out);

// Adds what was heard to what is known.
void announcement_merge(const struct announcement *from, const struct sighting *heard,
                        struct sighting *known);
