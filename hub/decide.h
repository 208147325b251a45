// Decisions about machines, in the database and in the roster. Cutting a machine's connections is
// the caller's part.
#pragma once

#include <stdbool.h>

struct fail;
struct roster;
struct store;

// roster may be NULL when no hub runs here. FAIL_INVALID: no such machine, or no fit name.
bool decide_revoke(struct store *store, struct roster *roster, const char *id, struct fail *why)
    __attribute__((warn_unused_result));
bool decide_rename(struct store *store, struct roster *roster, const char *id, const char *name,
                   struct fail *why) __attribute__((warn_unused_result));

// A name as it is kept: control characters taken out, white space around it too, and "-" for "/",
// so that it can stand in a path. NULL when nothing is left but a "." or "..", or it has more than
// 256 UTF-16 units. Freed with mem_free.
char *decide_name(const char *text);
