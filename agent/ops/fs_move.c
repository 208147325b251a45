#include "files/move.h"
#include "ops/fs.h"

bool op_fs_move(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
                struct fail *why)
{
    static Og__FsMoveResponse done = OG__FS_MOVE_RESPONSE__INIT;
    const Og__FsMoveRequest *in = request->fs_move;
    const char *from, *to;
    if (!fs_path(op, in->from, &from, why) || !fs_path(op, in->to, &to, why) ||
        !file_move(from, to, in->overwrite, why))
        return false;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_FS_MOVE;
    response->fs_move = &done;
    return true;
}
