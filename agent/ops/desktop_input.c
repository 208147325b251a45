#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "desktop_client/desktop.h"
#include "ops/desktop.h"

static bool is_scaled(const struct op *op)
{
    return op->legacy && op->host->scale_pointer && op->seat;
}

static void take_pointer(const struct op *op, const Og__PointerEvent *event,
                         struct desktop_input *input)
{
    input->kind = DESKTOP_POINTER;
    input->action = (uint32_t)event->action;
    input->button = (uint32_t)event->button;
    input->x = event->x;
    input->y = event->y;
    if (is_scaled(op))
        desktop_seat_scale(op->seat, &input->x, &input->y);
}

static void take_scroll(const struct op *op, const Og__ScrollEvent *event,
                        struct desktop_input *input)
{
    input->kind = DESKTOP_SCROLL;
    input->x = event->x;
    input->y = event->y;
    input->dx = event->delta_x;
    input->dy = event->delta_y;
    if (is_scaled(op))
        desktop_seat_scale(op->seat, &input->x, &input->y);
}

static bool take_key(const Og__KeyEvent *event, struct desktop_input *input, const char **text,
                     struct fail *why)
{
    input->action = (uint32_t)event->action;
    if (event->is_text) {
        input->kind = DESKTOP_TEXT;
        *text = event->key;
        return true;
    }
    size_t size = strlen(event->key);
    if (size > DESKTOP_KEY_BYTES_MAX)
        return fail_because(why, FAIL_UNSUPPORTED, "key: a chord has at most %d bytes",
                            DESKTOP_KEY_BYTES_MAX);
    input->kind = DESKTOP_KEY;
    memcpy(input->key, event->key, size + 1);
    return true;
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
        take_pointer(op, request->pointer, &input);
        break;
    case OG__DESKTOP_INPUT_REQUEST__EVENT_SCROLL:
        take_scroll(op, request->scroll, &input);
        break;
    case OG__DESKTOP_INPUT_REQUEST__EVENT_KEY:
        if (!take_key(request->key, &input, &text, why))
            return false;
        break;
    default:
        return fail_because(why, FAIL_INVALID, "DesktopInput carried no event");
    }
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
