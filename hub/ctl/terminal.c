#include "ctl/terminal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "ctl/ctl.h"

bool terminal_text(const char *text, char *out, size_t room)
{
    // Those that mean themselves in a URL (RFC 3986 2.3), and what joins ids.
    static const char harmless[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:";
    size_t size = text ? strlen(text) : 0;
    if (size == 0 || size >= room || strspn(text, harmless) != size)
        return false;
    memcpy(out, text, size + 1);
    return true;
}

static bool take_channel(const Og__PtyOpenResponse *answer, struct terminal *out)
{
    const Og__StreamChannel *channel = answer->channel;
    if (!channel || channel->port > UINT16_MAX)
        return false;
    out->port = (uint16_t)channel->port;
    return terminal_text(answer->pty_id, out->id, sizeof out->id) &&
           terminal_text(channel->channel_id, out->channel, sizeof out->channel) &&
           terminal_text(channel->workspace_id, out->workspace, sizeof out->workspace) &&
           terminal_text(channel->agent_id, out->agent, sizeof out->agent);
}

bool terminal_open(struct ctl *ctl, Og__PtyOpenRequest *body, struct terminal *out)
{
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    struct call_options options = {.timeout_ms = ctl_timeout(ctl)};
    struct reply reply;
    struct fault fault;
    request.op_case = OG__CONTROL_REQUEST__OP_PTY_OPEN;
    request.pty_open = body;
    *out = (struct terminal){0};
    if (!ctl_try(ctl, &request, &options, &reply, &fault)) {
        ctl_fault(ctl, &fault);
        return false;
    }
    bool good = reply.message->result_case == OG__CONTROL_RESPONSE__RESULT_PTY_OPEN &&
                take_channel(reply.message->pty_open, out);
    reply_fini(&reply);
    if (!good) {
        fault_set(&fault, FAULT_LOCAL, "the machine opened a terminal that nobody can attach to");
        ctl_fault(ctl, &fault);
    }
    return good;
}

bool terminal_named(struct ctl *ctl, const char *id, struct terminal *out)
{
    *out = (struct terminal){.port = TERMINAL_PORT};
    // Agents of all generations call the channel as they call the terminal.
    if (terminal_text(id, out->id, sizeof out->id) &&
        terminal_text(id, out->channel, sizeof out->channel) &&
        terminal_text(ctl->machine.workspace, out->workspace, sizeof out->workspace) &&
        terminal_text(ctl->machine.agent, out->agent, sizeof out->agent))
        return true;
    ctl_misuse(ctl, "that is no terminal's id");
    return false;
}

bool terminal_knows_frames(const struct terminal *terminal)
{
    enum { DIGITS = 32 };
    const char *id = terminal->id;
    return strncmp(id, "ch-", 3) == 0 && strlen(id) == 3 + DIGITS &&
           strspn(id + 3, "0123456789abcdef") == DIGITS;
}

bool terminal_close(struct ctl *ctl, const char *id, int *exit_code, struct fault *fault)
{
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    Og__PtyCloseRequest body = OG__PTY_CLOSE_REQUEST__INIT;
    struct call_options options = {.timeout_ms = SHELL_ANSWER_MS};
    struct reply reply;
    request.op_case = OG__CONTROL_REQUEST__OP_PTY_CLOSE;
    request.pty_close = &body;
    body.pty_id = (char *)id;
    *exit_code = -1;
    if (!ctl_try(ctl, &request, &options, &reply, fault)) {
        *exit_code = fault->exit_code;
        return false;
    }
    if (reply.message->result_case == OG__CONTROL_RESPONSE__RESULT_PTY_CLOSE)
        *exit_code = reply.message->pty_close->exit_code;
    reply_fini(&reply);
    return true;
}

bool sizing_send(struct sizing *sizing, struct ctl *ctl, const char *id, unsigned cols,
                 unsigned rows)
{
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    Og__PtyResizeRequest body = OG__PTY_RESIZE_REQUEST__INIT;
    struct fault fault;
    sizing_fini(sizing, ctl);
    request.op_case = OG__CONTROL_REQUEST__OP_PTY_RESIZE;
    request.pty_resize = &body;
    body.pty_id = (char *)id;
    body.cols = cols;
    body.rows = rows;
    sizing->until_ms = clock_mono_ms() + SHELL_ANSWER_MS;
    return rpc_send(ctl->rpc, ctl->machine.subject, &request, &sizing->call, &fault);
}

enum sizing_answer sizing_look(struct sizing *sizing, struct ctl *ctl)
{
    struct fault fault;
    struct reply reply;
    int64_t now = clock_mono_ms();
    if (!sizing->call)
        return SIZING_DONE;
    if (!rpc_wait(ctl->rpc, sizing->call, now, &fault)) {
        if (fault.kind == FAULT_TIMEOUT && now < sizing->until_ms)
            return SIZING_WAITS;
        sizing_fini(sizing, ctl);
        return SIZING_LOST;
    }
    bool good = rpc_take(ctl->rpc, sizing->call, &reply, &fault);
    sizing->call = NULL;
    if (good) {
        reply_fini(&reply);
        return SIZING_DONE;
    }
    if (fault_is(&fault, OG__ERROR_CODE__ERROR_CODE_NOT_FOUND)) {
        sizing->exit_code = fault.exit_code;
        return SIZING_NO_TERMINAL;
    }
    if (fault.kind == FAULT_OFFLINE)
        return SIZING_OFFLINE;
    // One that does not change sizes is no reason to leave.
    return fault.kind == FAULT_AGENT && !fault.retryable ? SIZING_DONE : SIZING_LOST;
}

void sizing_fini(struct sizing *sizing, struct ctl *ctl)
{
    if (sizing->call)
        rpc_drop(ctl->rpc, sizing->call);
    sizing->call = NULL;
}
