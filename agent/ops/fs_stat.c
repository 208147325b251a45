#include <errno.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "files/entry.h"
#include "files/resolve.h"
#include "ops/fs.h"

static bool describe(struct op *op, const char *path, const char *asked, const struct entry *entry,
                     Og__FsEntry *out)
{
    const char *name;
    unsigned long size;
    path_name(path, &name, &size);
    char *copy = arena_string_n(op->arena, name, size);
    const char *text = copy ? utf8_repair(op->arena, copy) : NULL;
    og__fs_entry__init(out);
    fs_entry_set(out, entry);
    out->name = (char *)text;
    out->path = (char *)asked;
    return text;
}

bool op_fs_stat(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
                struct fail *why)
{
    const Og__FsStatRequest *in = request->fs_stat;
    struct {
        Og__FsStatResponse response;
        Og__FsEntry entry;
    } *out = arena_alloc(op->arena, sizeof *out);
    if (!out)
        return fail_errno(why, ENOMEM, "stat", NULL);
    og__fs_stat_response__init(&out->response);

    const char *path;
    struct entry entry;
    bool exists;
    if (!fs_path(op, in->path, &path, why) || !file_stat(path, &entry, &exists, why))
        return false;
    if (exists) {
        if (!describe(op, path, in->path, &entry, &out->entry))
            return fail_errno(why, ENOMEM, "stat", path);
        out->response.exists = true;
        out->response.entry = &out->entry;
    }
    response->result_case = OG__CONTROL_RESPONSE__RESULT_FS_STAT;
    response->fs_stat = &out->response;
    return fs_reply_fits(op, response, why);
}
