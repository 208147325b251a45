#include <errno.h>

#include "base/arena.h"
#include "base/io.h"
#include "base/limits.h"
#include "desktop_client/desktop.h"
#include "desktop_protocol/sealed.h"
#include "ops/desktop.h"

// What the PNG may have: the reply's own fields need some room, too.
static size_t budget_of(const struct op *op)
{
    size_t room = op->reply_max > DESKTOP_REPLY_MARGIN ? op->reply_max - DESKTOP_REPLY_MARGIN : 0;
    return room < DESKTOP_REPLY_PNG_MAX ? room : DESKTOP_REPLY_PNG_MAX;
}

static bool take(struct op *op, struct desktop_picture *picture, Og__ControlResponse *response,
                 struct fail *why)
{
    Og__DesktopScreenshotResponse *reply = arena_alloc(op->arena, sizeof *reply);
    uint8_t *png = arena_alloc(op->arena, picture->bytes);
    if (!reply || !png)
        return fail_errno(why, ENOMEM, "desktop_screenshot", NULL);
    if (!sealed_read(picture->fd, png, picture->bytes, why))
        return false;
    og__desktop_screenshot_response__init(reply);
    reply->png = (ProtobufCBinaryData){.len = picture->bytes, .data = png};
    reply->width = picture->width;
    reply->height = picture->height;
    reply->native_width = picture->native_width;
    reply->native_height = picture->native_height;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_DESKTOP_SCREENSHOT;
    response->desktop_screenshot = reply;
    if (op->seat)
        desktop_seat_shows(op->seat, picture->width, picture->height, picture->native_width,
                           picture->native_height);
    return true;
}

bool op_desktop_screenshot(struct op *op, const Og__ControlRequest *message,
                           Og__ControlResponse *response, struct fail *why)
{
    (void)message;
    struct desktop *desktop;
    struct desktop_picture picture;
    struct desktop_shot shot = {
        .budget = budget_of(op),
        .keep_size = op->legacy, // such a control plane may not scale its clicks
        .settle = true,
    };
    if (!desktop_of(op, &desktop, why))
        return false;
    if (!desktop_screenshot(desktop, op->cancel, &shot, &picture, why)) {
        if (why->kind == FAIL_TOO_LARGE)
            fail_too_large(why, why->size + DESKTOP_REPLY_MARGIN, op->reply_max);
        return false;
    }
    bool taken = take(op, &picture, response, why);
    io_close(&picture.fd);
    return taken;
}
