#include <errno.h>

#include "base/arena.h"
#include "desktop_client/desktop.h"
#include "ops/desktop.h"
#include "ops/views.h"
#include "relay/relay.h"

static bool reply(const struct op *op, const struct desktop_state *state, const char *id,
                  Og__ControlResponse *response, struct fail *why)
{
    Og__DesktopEnsureResponse *desktop = arena_alloc(op->arena, sizeof *desktop);
    Og__Display *display = arena_alloc(op->arena, sizeof *display);
    Og__StreamChannel *channel =
        stream_channel_of(op, id, OG__STREAM_KIND__STREAM_KIND_DESKTOP, VIEW_PORT);
    if (!desktop || !display || !channel)
        return fail_errno(why, ENOMEM, "desktop_ensure", NULL);
    og__display__init(display);
    display->id = arena_string(op->arena, state->display);
    display->width = state->width;
    display->height = state->height;
    display->virtual_ = state->is_virtual;
    og__desktop_ensure_response__init(desktop);
    desktop->channel = channel;
    desktop->display = display;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_DESKTOP_ENSURE;
    response->desktop_ensure = desktop;
    return display->id || fail_errno(why, ENOMEM, "desktop_ensure", NULL);
}

bool op_desktop_ensure(struct op *op, const Og__ControlRequest *message,
                       Og__ControlResponse *response, struct fail *why)
{
    (void)message; // the size it may ask for is not ours to change
    struct desktop_state state;
    char id[STREAM_ID_BYTES];
    desktop_describe(op->host, &state);
    if (!state.available)
        return fail_because(why, FAIL_UNSUPPORTED,
                            "no desktop display available on this host (display_unavailable)%s%s",
                            state.reason[0] ? ": " : "", state.reason);
    if (!op->host->views || !op->relay || !relay_is_named(op->relay))
        return fail_because(why, FAIL_UNSUPPORTED,
                            "desktop_ensure: no relay stream registrar is wired");
    // Relays of the older control planes hold one channel of a port; theirs is used again.
    bool open = (op->legacy && views_find(op->host->views, op->relay, id)) ||
                views_open(op->host->views, op->relay, op->cancel, id, why);
    return open && reply(op, &state, id, response, why);
}
