#include "ops/fs.h"

#include "files/entry.h"
#include "files/resolve.h"
#include "proto/encode.h"

bool fs_path(const struct op *op, const char *input, const char **path, struct fail *why)
{
    return path_resolve(op->arena, op->host->workspace_root, op->host->home, input, path, why);
}

void fs_entry_set(Og__FsEntry *out, const struct entry *entry)
{
    out->kind = (Og__FsEntryKind)entry->kind;
    out->size = entry->size;
    out->modified_ms = entry->modified_ms;
    out->mode = entry->mode;
}

bool fs_reply_fits(const struct op *op, const Og__ControlResponse *response, struct fail *why)
{
    size_t size = op->id_size + encode_size(&response->base);
    return size <= op->reply_max || fail_too_large(why, size, op->reply_max);
}
