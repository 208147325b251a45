#include <errno.h>

#include "base/arena.h"
#include "files/write.h"
#include "ops/fs.h"

bool op_fs_write(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
                 struct fail *why)
{
    const Og__FsWriteRequest *in = request->fs_write;
    Og__FsWriteResponse *out = arena_alloc(op->arena, sizeof *out);
    if (!out)
        return fail_errno(why, ENOMEM, "write", NULL);
    og__fs_write_response__init(out);

    const char *path;
    struct write_options options = {
        .create_parents = in->create_parents, .append = in->append, .mode = in->mode};
    if (!fs_path(op, in->path, &path, why) ||
        !file_write(path, in->content.data, in->content.len, &options, why))
        return false;
    out->bytes_written = in->content.len;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_FS_WRITE;
    response->fs_write = out;
    return true;
}
