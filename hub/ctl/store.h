// A local file becomes a remote one: written in pieces beside its place, then moved there.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ctl;
struct fault;

struct store {
    // What is wanted:
    const char *path;    // on the machine: a file, or a directory that gets a file called as local
    uint32_t mode;       // permission bits; 0: of the file that is replaced, else local_mode
    uint32_t local_mode; // 0: as the machine makes files
    uint64_t size;       // for the progress; 0: unknown
    bool parents;        // make missing directories
    bool in_place;       // write into the file that is there

    // Outcome:
    char *place;    // where the file is now; path points here. Freed by the caller with mem_free
    uint64_t bytes; // written
};

// Copies everything that fd gives. local names it in messages. On failure the machine is as before,
// unless in_place.
bool store_file(struct ctl *ctl, int fd, const char *local, struct store *store,
                struct fault *fault) __attribute__((warn_unused_result));
