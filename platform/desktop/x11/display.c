#include "desktop_x11/display.h"

#include <X11/Xutil.h>
#include <X11/extensions/XTest.h>
#include <X11/extensions/Xrandr.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "desktop_x11/handshake.h"
#include "desktop_x11/xerror.h"

Display *display_connect(const struct display *display)
{
    struct xauth_cookie cookie = display->cookie; // the library wants to write to it
    char method[] = "MIT-MAGIC-COOKIE-1";
    if (cookie.size > 0)
        XSetAuthorization(method, sizeof method - 1, (char *)cookie.bytes, (int)cookie.size);
    Display *x = XOpenDisplay(display->name);
    XSetAuthorization(NULL, 0, NULL, 0);
    explicit_bzero(&cookie, sizeof cookie);
    if (x)
        xerror_watch(x);
    return x;
}

static bool has_extension(Display *x, const char *name)
{
    int code, event, error;
    return XQueryExtension(x, name, &code, &event, &error);
}

// The X server inside a Wayland compositor: its root window stays black and its input reaches only
// its own clients.
static bool is_xwayland(Display *x, Window root)
{
    if (has_extension(x, "XWAYLAND"))
        return true;
    int event, error;
    if (!XRRQueryExtension(x, &event, &error))
        return false;
    XRRScreenResources *resources = XRRGetScreenResourcesCurrent(x, root);
    bool found = false;
    for (int i = 0; resources && i < resources->noutput && !found; i++) {
        XRROutputInfo *output = XRRGetOutputInfo(x, resources, resources->outputs[i]);
        found = output && output->name && strncmp(output->name, "XWAYLAND", 8) == 0;
        if (output)
            XRRFreeOutputInfo(output);
    }
    if (resources)
        XRRFreeScreenResources(resources);
    return found;
}

static int bits_per_pixel(Display *x, int depth)
{
    int count, bits = 0;
    XPixmapFormatValues *formats = XListPixmapFormats(x, &count);
    for (int i = 0; formats && i < count; i++)
        if (formats[i].depth == depth)
            bits = formats[i].bits_per_pixel;
    if (formats)
        XFree(formats);
    return bits;
}

static bool read_format(struct display *display, char text[DESKTOP_REASON_BYTES_MAX])
{
    Display *x = display->x;
    const Visual *visual = DefaultVisual(x, DefaultScreen(x));
    int depth = DefaultDepth(x, DefaultScreen(x));
    display->format = (struct pixel_format){.bits_per_pixel = (unsigned)bits_per_pixel(x, depth),
                                            .big_endian = ImageByteOrder(x) == MSBFirst,
                                            .red_mask = (uint32_t)visual->red_mask,
                                            .green_mask = (uint32_t)visual->green_mask,
                                            .blue_mask = (uint32_t)visual->blue_mask};
    struct fail why;
    if (visual->class == TrueColor && pixel_format_check(&display->format, &why))
        return true;
    static const char *const classes[] = {"StaticGray",  "GrayScale", "StaticColor",
                                          "PseudoColor", "TrueColor", "DirectColor"};
    snprintf(text, DESKTOP_REASON_BYTES_MAX,
             "the screen of display %s has %d bits a pixel of class %s, which is not supported",
             display->name, depth,
             visual->class >= 0 && visual->class <= DirectColor ? classes[visual->class] : "?");
    return false;
}

static void use_primary(struct display *display)
{
    int event, error, major, minor, count = 0, chosen = 0;
    if (!XRRQueryExtension(display->x, &event, &error) ||
        !XRRQueryVersion(display->x, &major, &minor) || major * 100 + minor < 105)
        return;
    XRRMonitorInfo *monitors = XRRGetMonitors(display->x, display->root, True, &count);
    if (!monitors)
        return;
    for (int i = 0; i < count; i++)
        if (monitors[i].primary)
            chosen = i;
    if (count > 0 && monitors[chosen].width > 0 && monitors[chosen].height > 0) {
        display->left = monitors[chosen].x;
        display->top = monitors[chosen].y;
        display->width = (unsigned)monitors[chosen].width;
        display->height = (unsigned)monitors[chosen].height;
    }
    XRRFreeMonitors(monitors);
}

bool display_update(struct display *display, struct fail *why)
{
    Window root;
    int x, y;
    unsigned width, height, border, depth;
    if (!XGetGeometry(display->x, display->root, &root, &x, &y, &width, &height, &border, &depth))
        return xerror_lost(display->x) ? xerror_lost_fail(why)
                                       : fail_because(why, FAIL_SYSTEM, "the screen has no size");
    display->left = display->top = 0;
    display->width = width;
    display->height = height;
    if (display->primary_only)
        use_primary(display);
    // A monitor may for a moment be larger than the screen it is on.
    if (display->left < 0 || display->top < 0 || (unsigned)display->left + display->width > width ||
        (unsigned)display->top + display->height > height) {
        display->left = display->top = 0;
        display->width = width;
        display->height = height;
    }
    xerror_take(display->x);
    return true;
}

static enum desktop_opened look(struct display *display, char text[DESKTOP_REASON_BYTES_MAX])
{
    int event, error, major, minor;
    struct fail why;
    if (!XTestQueryExtension(display->x, &event, &error, &major, &minor)) {
        snprintf(text, DESKTOP_REASON_BYTES_MAX,
                 "XTEST extension is not available on this display");
        return DESKTOP_NO_XTEST;
    }
    if (is_xwayland(display->x, display->root)) {
        snprintf(text, DESKTOP_REASON_BYTES_MAX,
                 "this is a Wayland session; log in with an X11 (Xorg) session or use "
                 "--virtual-desktop");
        return DESKTOP_XWAYLAND;
    }
    if (!read_format(display, text))
        return DESKTOP_FORMAT;
    if (!display_update(display, &why)) {
        snprintf(text, DESKTOP_REASON_BYTES_MAX, "%.*s", DESKTOP_REASON_BYTES_MAX - 1, why.what);
        return DESKTOP_NO_SERVER;
    }
    return DESKTOP_OPENED;
}

enum desktop_opened display_open(struct display *display, const char *name, const char *xauthority,
                                 uint32_t flags, char text[DESKTOP_REASON_BYTES_MAX])
{
    struct handshake handshake;
    handshake_try(name, xauthority, (flags & DESKTOP_OPEN_OWN) != 0,
                  clock_mono_ms() + DESKTOP_CONNECT_MS, &handshake);
    memcpy(text, handshake.text, DESKTOP_REASON_BYTES_MAX);
    if (handshake.opened != DESKTOP_OPENED)
        return handshake.opened;

    *display = (struct display){.cookie = handshake.cookie,
                                .primary_only = (flags & DESKTOP_OPEN_PRIMARY) != 0};
    snprintf(display->name, sizeof display->name, "%s", name);
    display->x = display_connect(display);
    if (!display->x) {
        snprintf(text, DESKTOP_REASON_BYTES_MAX, "display %s cannot be opened", name);
        return DESKTOP_NO_SERVER;
    }
    display->root = DefaultRootWindow(display->x);
    enum desktop_opened opened = look(display, text);
    if (opened != DESKTOP_OPENED)
        display_close(display);
    return opened;
}

void display_close(struct display *display)
{
    if (display->x) {
        XCloseDisplay(display->x);
        xerror_forget(display->x);
    }
    explicit_bzero(display, sizeof *display);
}
