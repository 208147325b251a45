#include <errno.h>

#include "base/arena.h"
#include "ops/op.h"
#include "ops/terminals.h"

bool op_pty_write(struct op *op, const Og__ControlRequest *message, Og__ControlResponse *response,
                  struct fail *why)
{
    const Og__PtyWriteRequest *request = message->pty_write;
    Og__PtyWriteResponse *reply = arena_alloc(op->arena, sizeof *reply);
    if (!reply)
        return fail_errno(why, ENOMEM, "pty_write", NULL);
    if (!op->relay || !op->host->terminals)
        return fail_because(why, FAIL_UNSUPPORTED, "pty_write: this connection has no terminals");
    if (!terminal_write(op->host->terminals, op->relay, request->pty_id, request->data.data,
                        request->data.len, why))
        return false;
    og__pty_write_response__init(reply);
    reply->bytes_written = request->data.len;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_PTY_WRITE;
    response->pty_write = reply;
    return true;
}
