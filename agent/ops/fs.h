// What the file operations have in common.
#pragma once

#include "ops/op.h"

struct entry;

// The path that the kernel gets. It lives as long as the request.
bool fs_path(const struct op *op, const char *input, const char **path, struct fail *why)
    __attribute__((warn_unused_result));

// All but name and path.
void fs_entry_set(Og__FsEntry *out, const struct entry *entry);

// FAIL_TOO_LARGE unless the reply can be sent.
bool fs_reply_fits(const struct op *op, const Og__ControlResponse *response, struct fail *why)
    __attribute__((warn_unused_result));
