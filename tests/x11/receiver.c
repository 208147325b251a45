#include "receiver.h"

#include <X11/Xutil.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX = 1 << 20, STORY_MAX = 1 << 16 };

static long now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void receiver_open(struct receiver *receiver, const char *display)
{
    memset(receiver, 0, sizeof *receiver);
    if (!setlocale(LC_ALL, "C.UTF-8"))
        abort();
    XSetLocaleModifiers("@im=none");
    Display *x = receiver->x = XOpenDisplay(display);
    if (!x)
        abort();
    int screen = DefaultScreen(x);
    XSetWindowAttributes attributes = {
        .override_redirect = True,
        .background_pixel = WhitePixel(x, screen),
        .event_mask = KeyPressMask | KeyReleaseMask | ButtonPressMask | ButtonReleaseMask |
                      PointerMotionMask | ExposureMask,
    };
    receiver->window =
        XCreateWindow(x, RootWindow(x, screen), 0, 0, (unsigned)DisplayWidth(x, screen),
                      (unsigned)DisplayHeight(x, screen), 0, CopyFromParent, InputOutput,
                      CopyFromParent, CWOverrideRedirect | CWBackPixel | CWEventMask, &attributes);
    XMapRaised(x, receiver->window);
    XEvent event;
    XWindowEvent(x, receiver->window, ExposureMask, &event);
    XSetInputFocus(x, receiver->window, RevertToNone, CurrentTime);
    receiver->method = XOpenIM(x, NULL, NULL, NULL);
    if (receiver->method)
        receiver->context =
            XCreateIC(receiver->method, XNInputStyle, XIMPreeditNothing | XIMStatusNothing,
                      XNClientWindow, receiver->window, XNFocusWindow, receiver->window, NULL);
    XSync(x, False);
    receiver->events = calloc(RECEIVED_MAX, sizeof *receiver->events);
    receiver->text = calloc(1, TEXT_MAX);
    receiver->start_ms = now_ms();
}

void receiver_close(struct receiver *receiver)
{
    if (receiver->context)
        XDestroyIC(receiver->context);
    if (receiver->method)
        XCloseIM(receiver->method);
    XCloseDisplay(receiver->x);
    free(receiver->events);
    free(receiver->text);
}

void receiver_clear(struct receiver *receiver)
{
    receiver_read(receiver, 50);
    receiver->count = receiver->text_size = 0;
    receiver->text[0] = '\0';
}

static void add_text(struct receiver *receiver, const char *text, int size)
{
    if (size <= 0 || receiver->text_size + (size_t)size >= TEXT_MAX)
        return;
    memcpy(receiver->text + receiver->text_size, text, (size_t)size);
    receiver->text_size += (size_t)size;
    receiver->text[receiver->text_size] = '\0';
}

static void take_key(struct receiver *receiver, XEvent *event, struct received *one)
{
    char text[64];
    KeySym keysym = NoSymbol;
    int size = 0;
    one->detail = event->xkey.keycode;
    one->state = event->xkey.state;
    if (event->type == KeyPress && receiver->context) {
        Status status;
        size =
            Xutf8LookupString(receiver->context, &event->xkey, text, sizeof text, &keysym, &status);
        if (status != XLookupBoth && status != XLookupChars)
            size = 0;
    } else
        XLookupString(&event->xkey, text, sizeof text, &keysym, NULL);
    one->keysym = keysym;
    if (event->type == KeyPress)
        add_text(receiver, text, size);
}

static void take(struct receiver *receiver, XEvent *event)
{
    if (event->type == MappingNotify)
        XRefreshKeyboardMapping(&event->xmapping);
    if (XFilterEvent(event, receiver->window) || receiver->count == RECEIVED_MAX)
        return;
    struct received one = {.type = event->type, .ms = now_ms() - receiver->start_ms};
    switch (event->type) {
    case KeyPress:
    case KeyRelease:
        take_key(receiver, event, &one);
        break;
    case ButtonPress:
    case ButtonRelease:
        one.detail = event->xbutton.button;
        one.state = event->xbutton.state;
        one.x = event->xbutton.x_root;
        one.y = event->xbutton.y_root;
        break;
    case MotionNotify:
        one.state = event->xmotion.state;
        one.x = event->xmotion.x_root;
        one.y = event->xmotion.y_root;
        break;
    default:
        return;
    }
    receiver->events[receiver->count++] = one;
}

void receiver_read(struct receiver *receiver, int quiet_ms)
{
    struct pollfd ready = {ConnectionNumber(receiver->x), POLLIN, 0};
    XSync(receiver->x, False);
    do
        while (XPending(receiver->x) > 0) {
            XEvent event;
            XNextEvent(receiver->x, &event);
            take(receiver, &event);
        }
    while (poll(&ready, 1, quiet_ms) > 0);
}

static const char *key_name(KeySym keysym, char room[16])
{
    if (keysym > ' ' && keysym < 0x7f) {
        room[0] = (char)keysym;
        room[1] = '\0';
        return room;
    }
    const char *name = XKeysymToString(keysym);
    return name ? name : "?";
}

static void put_state(char *out, size_t room, unsigned state)
{
    static const struct {
        unsigned mask;
        const char *name;
    } names[] = {{ShiftMask, "Shift"}, {LockMask, "Lock"},  {ControlMask, "Control"},
                 {Mod1Mask, "Mod1"},   {Mod2Mask, "Mod2"},  {Mod4Mask, "Mod4"},
                 {Mod5Mask, "Mod5"},   {Button1Mask, "B1"}, {Button2Mask, "B2"},
                 {Button3Mask, "B3"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (state & names[i].mask) {
            size_t size = strlen(out);
            snprintf(out + size, room - size, "/%s", names[i].name);
        }
}

const char *receiver_story(const struct receiver *receiver, bool with_state)
{
    static char story[STORY_MAX];
    story[0] = '\0';
    for (size_t i = 0; i < receiver->count; i++) {
        const struct received *one = &receiver->events[i];
        if (one->type == MotionNotify)
            continue;
        char name[16];
        size_t size = strlen(story);
        bool down = one->type == KeyPress || one->type == ButtonPress;
        if (one->type == KeyPress || one->type == KeyRelease)
            snprintf(story + size, sizeof story - size, "%s%c%s", size ? " " : "", down ? '+' : '-',
                     key_name(one->keysym, name));
        else
            snprintf(story + size, sizeof story - size, "%s%cb%u", size ? " " : "",
                     down ? '+' : '-', one->detail);
        if (with_state && down)
            put_state(story, sizeof story, one->state);
    }
    return story;
}
