#include "desktop_x11/damage.h"

#include <string.h>

#include "base/clock.h"
#include "picture/picture.h"

void damage_init(struct damage *damage, struct display *display)
{
    *damage = (struct damage){.display = display};
    int error, fixes_event, major = 1, minor = 1;
    damage->available = XDamageQueryExtension(display->x, &damage->event, &error) &&
                        XFixesQueryExtension(display->x, &fixes_event, &error) &&
                        XDamageQueryVersion(display->x, &major, &minor);
    if (!damage->available)
        return;
    damage->watch = XDamageCreate(display->x, display->root, XDamageReportNonEmpty);
    damage->region = XFixesCreateRegion(display->x, NULL, 0);
}

bool damage_notices(struct damage *damage, const XEvent *event)
{
    if (!damage->available || event->type != damage->event + XDamageNotify)
        return false;
    damage->pending = true;
    damage->last_ms = (uint64_t)clock_mono_ms();
    return true;
}

static void mark(const struct damage *damage, const XRectangle *area, unsigned height, bool *dirty)
{
    long top = (long)area->y - damage->display->top, end = top + area->height;
    if (end <= 0 || top >= (long)height)
        return;
    unsigned first = top > 0 ? (unsigned)top : 0;
    unsigned last = end < (long)height ? (unsigned)end - 1 : height - 1;
    for (unsigned strip = first / STRIP_ROWS; strip <= last / STRIP_ROWS; strip++)
        dirty[strip] = true;
}

void damage_take(struct damage *damage, unsigned height, bool *dirty)
{
    damage->pending = false;
    int count = 0;
    XRectangle *areas = NULL;
    if (damage->available) {
        // What changes from here on is reported anew, so it has to come before the pixels are read.
        XDamageSubtract(damage->display->x, damage->watch, None, damage->region);
        areas = XFixesFetchRegion(damage->display->x, damage->region, &count);
    }
    if (!areas) {
        memset(dirty, true, strip_count(height) * sizeof *dirty);
        return;
    }
    for (int i = 0; i < count; i++)
        mark(damage, &areas[i], height, dirty);
    XFree(areas);
}
