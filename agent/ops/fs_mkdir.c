#include "files/mkdir.h"
#include "ops/fs.h"

bool op_fs_mkdir(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
                 struct fail *why)
{
    static Og__FsMkdirResponse done = OG__FS_MKDIR_RESPONSE__INIT;
    const Og__FsMkdirRequest *in = request->fs_mkdir;
    const char *path;
    if (!fs_path(op, in->path, &path, why) || !directory_make(path, in->parents, in->mode, why))
        return false;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_FS_MKDIR;
    response->fs_mkdir = &done;
    return true;
}
