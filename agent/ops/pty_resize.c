#include <errno.h>
#include <stdint.h>

#include "base/arena.h"
#include "ops/op.h"
#include "ops/terminals.h"

static unsigned short characters(uint32_t wanted)
{
    return wanted < UINT16_MAX ? (unsigned short)wanted : UINT16_MAX;
}

bool op_pty_resize(struct op *op, const Og__ControlRequest *message, Og__ControlResponse *response,
                   struct fail *why)
{
    const Og__PtyResizeRequest *request = message->pty_resize;
    Og__PtyResizeResponse *reply = arena_alloc(op->arena, sizeof *reply);
    if (!reply)
        return fail_errno(why, ENOMEM, "pty_resize", NULL);
    if (!op->relay || !op->host->terminals)
        return fail_because(why, FAIL_UNSUPPORTED, "pty_resize: this connection has no terminals");
    if (!terminal_resize(op->host->terminals, op->relay, request->pty_id, characters(request->cols),
                         characters(request->rows), why))
        return false;
    og__pty_resize_response__init(reply);
    response->result_case = OG__CONTROL_RESPONSE__RESULT_PTY_RESIZE;
    response->pty_resize = reply;
    return true;
}
