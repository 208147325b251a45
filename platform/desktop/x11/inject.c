#include "desktop_x11/inject.h"

#include <X11/extensions/XTest.h>
#include <string.h>

#include "desktop_x11/inject_private.h"
#include "desktop_x11/xerror.h"

bool inject_init(struct inject *inject, const struct display *display, struct held_page *page,
                 struct fail *why)
{
    *inject = (struct inject){.display = *display, .page = page};
    Display *x = inject->display.x = inject->x = display_connect(display);
    if (!x)
        return fail_because(why, FAIL_SYSTEM, "connect X display %s: no further client is taken",
                            display->name);
    XTestGrabControl(x, True); // a program that grabs the server must not stop us
    if (keyboard_init(&inject->keyboard, x, why)) {
        held_page_recover(page, display->name, &inject->keyboard);
        if (xerror_sync(x, "input", why))
            return true;
    }
    inject_fini(inject);
    return false;
}

void inject_fini(struct inject *inject)
{
    if (!xerror_lost(inject->x)) {
        keyboard_restore(&inject->keyboard);
        held_page_spares(inject->page, NULL, 0);
    }
    keyboard_fini(&inject->keyboard);
    display_close(&inject->display);
}

void inject_key(struct inject *inject, struct held *held, KeyCode code, bool down)
{
    if (down)
        held_page_key(inject->page, code, true);
    XTestFakeKeyEvent(inject->x, code, down, CurrentTime);
    keyboard_note(&inject->keyboard, code, down);
    held_set_key(held, code, down);
    if (!down)
        held_page_key(inject->page, code, false);
}

void inject_button(struct inject *inject, struct held *held, unsigned button, bool down)
{
    if (down)
        held_page_button(inject->page, button, true);
    XTestFakeButtonEvent(inject->x, button, down, CurrentTime);
    if (down)
        held->buttons |= 1u << button;
    else
        held->buttons &= ~(1u << button);
    if (!down)
        held_page_button(inject->page, button, false);
}

bool inject_run(struct inject *inject, struct held *held, const struct desktop_input *input,
                const char *text, inject_stopped stopped, void *context, struct fail *why)
{
    xerror_take(inject->x);
    bool done = false;
    switch (input->kind) {
    case DESKTOP_POINTER:
        done = inject_pointer(inject, held, input, why);
        break;
    case DESKTOP_SCROLL:
        done = inject_scroll(inject, held, input, why);
        break;
    case DESKTOP_KEY:
        done = inject_chord(inject, held, input, why);
        break;
    case DESKTOP_TEXT:
        done = inject_text(inject, held, text, input->text_bytes, stopped, context, why);
        break;
    case INJECT_SYMBOL:
        done = inject_symbol(inject, held, input, why);
        break;
    case INJECT_BUTTONS:
        done = inject_buttons(inject, held, input, why);
        break;
    default:
        return fail_because(why, FAIL_PROTOCOL, "unknown kind of input");
    }
    struct fail later;
    if (xerror_sync(inject->x, "FakeInput", &later))
        return done;
    if (done && why)
        *why = later;
    return false;
}

bool inject_release(struct inject *inject, struct held *held, struct fail *why)
{
    for (unsigned code = 8; code < 8 * HELD_KEY_BYTES; code++)
        if (held_key(held, code))
            inject_key(inject, held, (KeyCode)code, false);
    for (unsigned button = 1; button < 32; button++)
        if (held->buttons >> button & 1)
            inject_button(inject, held, button, false);
    memset(held->symbols, 0, sizeof held->symbols);
    return xerror_sync(inject->x, "FakeInput", why);
}
