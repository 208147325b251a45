#include "desktop_x11/pointer.h"

#include <X11/extensions/Xfixes.h>

#include "base/alloc.h"
#include "desktop_x11/xerror.h"

enum { SIDE_MAX = 1024 }; // of an image; servers allow less

void pointer_init(struct pointer *pointer, struct display *display)
{
    *pointer = (struct pointer){.display = display, .stale = true};
    int error, major = 2, minor = 0; // 2.0 has the image and its changes
    pointer->available = XFixesQueryExtension(display->x, &pointer->event, &error) &&
                         XFixesQueryVersion(display->x, &major, &minor) && major >= 2;
    if (pointer->available)
        XFixesSelectCursorInput(display->x, display->root, XFixesDisplayCursorNotifyMask);
}

void pointer_fini(struct pointer *pointer)
{
    mem_free((void *)pointer->image.argb);
    pointer->image.argb = NULL;
}

bool pointer_notices(struct pointer *pointer, const XEvent *event)
{
    if (!pointer->available || event->type != pointer->event + XFixesCursorNotify)
        return false;
    pointer->stale = true;
    return true;
}

static void fetch_image(struct pointer *pointer)
{
    XFixesCursorImage *cursor = XFixesGetCursorImage(pointer->display->x);
    if (!cursor)
        return;
    pointer->stale = false;
    mem_free((void *)pointer->image.argb);
    pointer->image.argb = NULL;
    pointer->image.width = pointer->image.height = 0;
    if (cursor->width <= SIDE_MAX && cursor->height <= SIDE_MAX) {
        size_t count = (size_t)cursor->width * cursor->height;
        uint32_t *argb = mem_array(count, sizeof *argb);
        for (size_t i = 0; i < count; i++) // the library keeps each in a long
            argb[i] = (uint32_t)cursor->pixels[i];
        pointer->image.argb = argb;
        pointer->image.width = cursor->width;
        pointer->image.height = cursor->height;
        pointer->hot_x = cursor->xhot;
        pointer->hot_y = cursor->yhot;
        pointer->image.serial++;
    }
    XFree(cursor);
}

bool pointer_update(struct pointer *pointer)
{
    if (!pointer->available)
        return false;
    struct cursor_image before = pointer->image;
    if (pointer->stale)
        fetch_image(pointer);
    Window root, child;
    int x, y, in_x, in_y;
    unsigned mask;
    if (XQueryPointer(pointer->display->x, pointer->display->root, &root, &child, &x, &y, &in_x,
                      &in_y, &mask)) {
        pointer->image.x = x - pointer->hot_x - pointer->display->left;
        pointer->image.y = y - pointer->hot_y - pointer->display->top;
    }
    return before.x != pointer->image.x || before.y != pointer->image.y ||
           before.serial != pointer->image.serial;
}
