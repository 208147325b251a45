#include "desktop_x11/xerror.h"

#include <assert.h>
#include <stddef.h>

struct watched {
    Display *display;
    int code;
    int request;
    bool lost;
};

static struct watched all[XERROR_DISPLAYS];

static struct watched *find(const Display *display)
{
    for (int i = 0; i < XERROR_DISPLAYS; i++)
        if (all[i].display == display)
            return &all[i];
    return NULL;
}

static int on_error(Display *display, XErrorEvent *event)
{
    struct watched *watched = find(display);
    if (watched && watched->code == 0) {
        watched->code = event->error_code;
        watched->request = event->request_code;
    }
    return 0;
}

// Xlib calls this first, then the exit handler below; both only when the connection has broken.
static int on_io_error(Display *display)
{
    struct watched *watched = find(display);
    if (watched)
        watched->lost = true;
    return 0;
}

static void on_exit_wanted(Display *display, void *context)
{
    (void)display;
    (void)context; // stay: the caller sees that its calls fail
}

void xerror_install(void)
{
    XSetErrorHandler(on_error);
    XSetIOErrorHandler(on_io_error);
}

void xerror_watch(Display *display)
{
    struct watched *free_one = find(NULL);
    assert(free_one && !find(display));
    *free_one = (struct watched){.display = display};
    XSetIOErrorExitHandler(display, on_exit_wanted, NULL);
}

void xerror_forget(Display *display)
{
    struct watched *watched = find(display);
    if (watched)
        *watched = (struct watched){0};
}

int xerror_take(Display *display)
{
    struct watched *watched = find(display);
    int code = watched ? watched->code : 0;
    if (watched)
        watched->code = 0;
    return code;
}

bool xerror_lost(Display *display)
{
    const struct watched *watched = find(display);
    return !watched || watched->lost;
}

bool xerror_lost_fail(struct fail *why)
{
    return fail_because(why, FAIL_SYSTEM, "the X server closed the connection");
}

bool xerror_sync(Display *display, const char *what, struct fail *why)
{
    XSync(display, False);
    struct watched *watched = find(display);
    if (!watched || watched->lost)
        return xerror_lost_fail(why);
    if (watched->code == 0)
        return true;
    char text[128];
    XGetErrorText(display, watched->code, text, sizeof text);
    fail_because(why, FAIL_SYSTEM, "%s: X error %d (%s) of request %d", what, watched->code, text,
                 watched->request);
    watched->code = 0;
    return false;
}
