#include "files/remove.h"
#include "ops/fs.h"

bool op_fs_remove(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
                  struct fail *why)
{
    static Og__FsRemoveResponse done = OG__FS_REMOVE_RESPONSE__INIT;
    const Og__FsRemoveRequest *in = request->fs_remove;
    const char *path;
    struct remove_options options = {
        .recursive = in->recursive, .keep = op->host->workspace_root, .cancel = op->cancel};
    // Elsewhere an empty path is the workspace root; here it is a mistake of the caller.
    if (in->path[0] == '\0')
        return fail_because(why, FAIL_INVALID, "refused to remove the workspace root");
    if (!fs_path(op, in->path, &path, why) || !file_remove(path, &options, why))
        return false;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_FS_REMOVE;
    response->fs_remove = &done;
    return true;
}
