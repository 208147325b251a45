#include <errno.h>

#include "base/arena.h"
#include "files/read.h"
#include "ops/fs.h"

bool op_fs_read(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
                struct fail *why)
{
    const Og__FsReadRequest *in = request->fs_read;
    Og__FsReadResponse *out = arena_alloc(op->arena, sizeof *out);
    if (!out)
        return fail_errno(why, ENOMEM, "read", NULL);
    og__fs_read_response__init(out);
    response->result_case = OG__CONTROL_RESPONSE__RESULT_FS_READ;
    response->fs_read = out;

    const char *path;
    struct file_content content = {0};
    if (!fs_path(op, in->path, &path, why))
        return false;
    bool read = file_read(op->arena, path, in->offset, in->length, op->reply_max, &content, why);
    if (!read && why->kind != FAIL_TOO_LARGE)
        return false;
    // Of content that was too large to be read, too, it is the size of the reply that is told.
    out->content.len = read ? content.size : why->size;
    out->content.data = content.data;
    op->place = (struct encode_place){content.data, content.size};
    out->total_size = content.total;
    return fs_reply_fits(op, response, why);
}
