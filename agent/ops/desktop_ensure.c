#include "desktop_client/desktop.h"
#include "ops/desktop.h"

bool op_desktop_ensure(struct op *op, const Og__ControlRequest *message,
                       Og__ControlResponse *response, struct fail *why)
{
    (void)message, (void)response;
    struct desktop_state state;
    desktop_describe(op->host, &state);
    if (!state.available)
        return fail_because(why, FAIL_UNSUPPORTED,
                            "no desktop display available on this host (display_unavailable)%s%s",
                            state.reason[0] ? ": " : "", state.reason);
    return fail_because(why, FAIL_UNSUPPORTED,
                        "desktop_ensure: no relay stream registrar is wired");
}
