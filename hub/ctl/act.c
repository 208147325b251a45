#include "ctl/act.h"

#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static bool send(struct ctl *ctl, Og__DesktopInputRequest *body, struct fault *fault)
{
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_DESKTOP_INPUT;
    request.desktop_input = body;
    struct call_options options = {.timeout_ms = ctl_timeout(ctl)};
    struct reply reply;
    if (!ctl_try(ctl, &request, &options, &reply, fault))
        return false;
    reply_fini(&reply);
    return true;
}

bool act_pointer(struct ctl *ctl, int32_t x, int32_t y, Og__PointerAction action,
                 Og__PointerButton button, struct fault *fault)
{
    Og__PointerEvent event = OG__POINTER_EVENT__INIT;
    event.x = x;
    event.y = y;
    event.action = action;
    event.button = button;
    Og__DesktopInputRequest body = OG__DESKTOP_INPUT_REQUEST__INIT;
    body.event_case = OG__DESKTOP_INPUT_REQUEST__EVENT_POINTER;
    body.pointer = &event;
    return send(ctl, &body, fault);
}

bool act_scroll(struct ctl *ctl, int32_t x, int32_t y, int32_t dx, int32_t dy, struct fault *fault)
{
    Og__ScrollEvent event = OG__SCROLL_EVENT__INIT;
    event.x = x;
    event.y = y;
    event.delta_x = dx;
    event.delta_y = dy;
    Og__DesktopInputRequest body = OG__DESKTOP_INPUT_REQUEST__INIT;
    body.event_case = OG__DESKTOP_INPUT_REQUEST__EVENT_SCROLL;
    body.scroll = &event;
    return send(ctl, &body, fault);
}

static bool send_key(struct ctl *ctl, const char *key, bool is_text, struct fault *fault)
{
    Og__KeyEvent event = OG__KEY_EVENT__INIT;
    event.key = (char *)key;
    event.is_text = is_text;
    event.action = OG__KEY_ACTION__KEY_ACTION_PRESS;
    Og__DesktopInputRequest body = OG__DESKTOP_INPUT_REQUEST__INIT;
    body.event_case = OG__DESKTOP_INPUT_REQUEST__EVENT_KEY;
    body.key = &event;
    return send(ctl, &body, fault);
}

bool act_key(struct ctl *ctl, const char *chord, struct fault *fault)
{
    return send_key(ctl, chord, false, fault);
}

bool act_text(struct ctl *ctl, const char *text, struct fault *fault)
{
    return send_key(ctl, text, true, fault);
}

static void add(struct fault *fault, const char *hint)
{
    size_t used = strlen(fault->text);
    snprintf(fault->text + used, sizeof fault->text - used, "; %s", hint);
}

int act_fault(struct ctl *ctl, struct fault *fault)
{
    if (fault_is(fault, OG__ERROR_CODE__ERROR_CODE_CONSENT_REQUIRED))
        add(fault, "its owner decides that when the machine is connected: opengeni-hub token "
                   "--screen-control, or opengeni-hub approve --screen-control");
    return ctl_fault(ctl, fault);
}
