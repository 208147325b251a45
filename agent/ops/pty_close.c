#include <errno.h>

#include "base/arena.h"
#include "ops/op.h"
#include "ops/terminals.h"

bool op_pty_close(struct op *op, const Og__ControlRequest *message, Og__ControlResponse *response,
                  struct fail *why)
{
    const Og__PtyCloseRequest *request = message->pty_close;
    Og__PtyCloseResponse *reply = arena_alloc(op->arena, sizeof *reply);
    int exit_code;
    if (!reply)
        return fail_errno(why, ENOMEM, "pty_close", NULL);
    if (!op->relay || !op->host->terminals)
        return fail_because(why, FAIL_UNSUPPORTED, "pty_close: this connection has no terminals");
    if (!terminal_close(op->host->terminals, op->relay, request->pty_id, &exit_code, why))
        return false;
    og__pty_close_response__init(reply);
    reply->exit_code = exit_code;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_PTY_CLOSE;
    response->pty_close = reply;
    return true;
}
