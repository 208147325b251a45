#include <X11/extensions/XTest.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "desktop_x11/inject_private.h"

enum {
    PRESS_MS = 12,        // between press and release of a click
    DOUBLE_CLICK_MS = 50, // between the clicks of a double click
    WHEEL_MS = 5,         // between clicks of the wheel
    WHEEL_PIXELS = 100,   // that one click of the wheel stands for
    WHEEL_CLICKS_MAX = 32,
    WHEEL_SMALL = 10, // up to this, a number is clicks and not pixels
};

// Buttons of the core protocol: 4 to 7 are the wheels.
enum { WHEEL_UP = 4, WHEEL_DOWN, WHEEL_LEFT, WHEEL_RIGHT };

static int clamp(int32_t at, unsigned size)
{
    return at < 0 ? 0 : (int64_t)at >= (int64_t)size ? (int)size - 1 : at;
}

bool inject_move(struct inject *inject, const struct desktop_input *input, struct fail *why)
{
    struct display *display = &inject->display;
    if (!display_update(display, why))
        return false;
    XTestFakeMotionEvent(inject->x, -1, display->left + clamp(input->x, display->width),
                         display->top + clamp(input->y, display->height), CurrentTime);
    return true;
}

static unsigned core_button(uint32_t button)
{
    return button == DESKTOP_RIGHT ? 3 : button == DESKTOP_MIDDLE ? 2 : 1;
}

// X drops the press of a button that is down already.
static void press(struct inject *inject, struct held *held, unsigned button)
{
    Window root, child;
    int x, y, in_x, in_y;
    unsigned mask;
    if (XQueryPointer(inject->x, DefaultRootWindow(inject->x), &root, &child, &x, &y, &in_x, &in_y,
                      &mask) &&
        (mask >> (button - 1) & Button1Mask) != 0)
        inject_button(inject, held, button, false);
    inject_button(inject, held, button, true);
}

static void click(struct inject *inject, struct held *held, unsigned button, int64_t hold_ms)
{
    press(inject, held, button);
    XFlush(inject->x);
    clock_sleep_ms(hold_ms);
    inject_button(inject, held, button, false);
    XFlush(inject->x);
}

bool inject_pointer(struct inject *inject, struct held *held, const struct desktop_input *input,
                    struct fail *why)
{
    unsigned button = core_button(input->button);
    if (!inject_move(inject, input, why))
        return false;
    switch (input->action) {
    case DESKTOP_POINTER_DOWN:
        press(inject, held, button);
        break;
    case DESKTOP_POINTER_UP:
        inject_button(inject, held, button, false);
        break;
    case DESKTOP_POINTER_DOUBLE_CLICK:
        click(inject, held, button, PRESS_MS);
        clock_sleep_ms(DOUBLE_CLICK_MS);
        click(inject, held, button, PRESS_MS);
        break;
    case DESKTOP_POINTER_CLICK:
        click(inject, held, button, PRESS_MS);
        break;
    default: // a move, or what a later protocol may add
        break;
    }
    return true;
}

// Clicks of a wheel for a distance in pixels, with its sign.
static int scroll_clicks(int32_t pixels)
{
    int64_t size = llabs((int64_t)pixels), clicks = size;
    if (size > WHEEL_SMALL)
        clicks = (size + WHEEL_PIXELS / 2) / WHEEL_PIXELS;
    if (size > 0 && clicks < 1)
        clicks = 1;
    if (clicks > WHEEL_CLICKS_MAX)
        clicks = WHEEL_CLICKS_MAX;
    return (int)(pixels < 0 ? -clicks : clicks);
}

static void turn(struct inject *inject, struct held *held, int clicks, unsigned back,
                 unsigned forth)
{
    for (int i = 0; i < abs(clicks); i++) {
        click(inject, held, clicks < 0 ? back : forth, 0);
        clock_sleep_ms(WHEEL_MS);
    }
}

bool inject_scroll(struct inject *inject, struct held *held, const struct desktop_input *input,
                   struct fail *why)
{
    if (!inject_move(inject, input, why))
        return false;
    turn(inject, held, scroll_clicks(input->dy), WHEEL_UP, WHEEL_DOWN);
    turn(inject, held, scroll_clicks(input->dx), WHEEL_LEFT, WHEEL_RIGHT);
    return true;
}
