// The names in a directory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct name {
    uint64_t prefix;    // the first bytes, so that most comparisons touch nothing else
    uint32_t at;        // in the text
    unsigned char type; // d_type of readdir(3): a hint, DT_UNKNOWN on some filesystems
};

struct names {
    struct buffer text;
    struct name *items;
    size_t count, room;
    bool complete; // the end of the directory has been seen
};

void names_init(struct names *names);
void names_fini(struct names *names);

// Forgets what was read and reads on from where the descriptor stands, without "." and "..", in
// the order of the directory. Stops before the end when there are more than count_max names, or
// once the names take more than bytes_max. False leaves errno set.
bool names_read(struct names *names, int dir, size_t count_max, size_t bytes_max)
    __attribute__((warn_unused_result));

void names_sort(struct names *names); // by bytes

// Forgets all names but one, and frees the memory of the others.
void names_keep_only(struct names *names, size_t index);

const char *names_text(const struct names *names, const struct name *name);
