// All connections of a configuration directory.
#pragma once

#include "config/connection.h"
#include "config/secure_file.h"

struct connections_entry {
    char *name; // of the file without .json: the id, when the document is valid
    char *path;
    struct connection *connection; // NULL when the document is invalid
    char *reason;                  // why it is; NULL otherwise
    enum secure_mode mode;         // what was found and done about its permissions
};

struct connections {
    struct connections_entry *entries; // sorted by name
    size_t count, valid;
    char *legacy_problem; // why credentials.json could not be taken over; NULL otherwise
};

// Reads every document; a bad one disables only itself. A credentials.json of an older agent is
// taken over first, with api_url as the guess for its origin. Fails only when the directory itself
// cannot be read; a missing one has no connections.
bool connections_load(const struct secure_dir *config, const char *api_url,
                      struct connections *connections, struct fail *why)
    __attribute__((warn_unused_result));
void connections_fini(struct connections *connections);

// The one entry whose name is, or begins with, id_or_prefix; prefixes have at least
// CONNECTIONS_PREFIX_MIN characters. NULL with *why when there is none or more than one.
enum { CONNECTIONS_PREFIX_MIN = 4 };
const struct connections_entry *connections_find(const struct connections *connections,
                                                 const char *id_or_prefix, struct fail *why)
    __attribute__((warn_unused_result));

// Writes the document, making the directory when needed. One with a known origin removes what was
// taken over from credentials.json for the same workspace and agent.
bool connections_save(const struct secure_dir *config, const struct connection *connection,
                      struct fail *why) __attribute__((warn_unused_result));

bool connections_remove(const struct secure_dir *config, const char *name, struct fail *why)
    __attribute__((warn_unused_result));

// Removes unfinished files of writers that died; for the start of the agent.
void connections_sweep(const struct secure_dir *config);
