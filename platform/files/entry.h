// What callers learn of one file.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct fail;

enum entry_kind {   // as the protocol numbers them
    ENTRY_FILE = 1, // everything that is neither of the others: FIFOs and devices, too
    ENTRY_DIRECTORY = 2,
    ENTRY_SYMLINK = 3,
};

struct entry {
    enum entry_kind kind;
    uint64_t size;       // bytes; of a link, of its text
    int64_t modified_ms; // unix time; 0 for what is older
    uint32_t mode;       // st_mode, with the bits of the type
};

struct entry entry_of(const struct stat *facts);

// The file itself, when it is a link, not what it leads to. *exists is false, and entry unset, when
// the path leads nowhere.
bool file_stat(const char *path, struct entry *entry, bool *exists, struct fail *why)
    __attribute__((warn_unused_result));
