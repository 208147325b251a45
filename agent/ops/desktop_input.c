#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "desktop_client/desktop.h"
#include "ops/desktop.h"
#include "ops/desktop_event.h"

static bool is_scaled(const struct op *op, const struct desktop_input *input)
{
    return (input->kind == DESKTOP_POINTER || input->kind == DESKTOP_SCROLL) && op->legacy &&
           op->host->scale_pointer && op->seat;
}

bool op_desktop_input(struct op *op, const Og__ControlRequest *message,
                      Og__ControlResponse *response, struct fail *why)
{
    const Og__DesktopInputRequest *request = message->desktop_input;
    struct desktop_input input = {0};
    const char *text = "";
    struct desktop *desktop;
    // Before anything else: without consent nothing may reach the X server.
    if (!op->screen_control)
        return fail_because(why, FAIL_CONSENT, "screen control not consented");
    if (!desktop_of(op, &desktop, why))
        return false;
    switch (request->event_case) {
    case OG__DESKTOP_INPUT_REQUEST__EVENT_POINTER:
        desktop_event_pointer(request->pointer, &input);
        break;
    case OG__DESKTOP_INPUT_REQUEST__EVENT_SCROLL:
        desktop_event_scroll(request->scroll, &input);
        break;
    case OG__DESKTOP_INPUT_REQUEST__EVENT_KEY:
        if (!desktop_event_key(request->key, &input, &text, why))
            return false;
        break;
    default:
        return fail_because(why, FAIL_INVALID, "DesktopInput carried no event");
    }
    if (is_scaled(op, &input))
        desktop_seat_scale(op->seat, &input.x, &input.y);
    Og__DesktopInputResponse *reply = arena_alloc(op->arena, sizeof *reply);
    if (!reply)
        return fail_errno(why, ENOMEM, "desktop_input", NULL);
    og__desktop_input_response__init(reply);
    response->result_case = OG__CONTROL_RESPONSE__RESULT_DESKTOP_INPUT;
    response->desktop_input = reply;
    if (op->seat)
        atomic_store(&op->seat->pressed, true);
    return desktop_input(desktop, op->cancel, &input, text, strlen(text), why);
}
