// A window over the whole screen that has the focus and notes all input it receives, like xev(1).
#pragma once

#include <X11/Xlib.h>
#include <stdbool.h>
#include <stddef.h>

enum { RECEIVED_MAX = 32768 };

struct received {
    int type; // KeyPress, KeyRelease, ButtonPress, ButtonRelease, MotionNotify
    unsigned state;
    unsigned detail; // key code or button
    KeySym keysym;   // as an ordinary program looks it up
    int x, y;
    long ms; // since the receiver was opened
};

struct receiver {
    Display *x;
    Window window;
    XIM method;
    XIC context;
    size_t count;
    struct received *events;
    char *text; // what was typed, UTF-8
    size_t text_size;
    long start_ms;
};

void receiver_open(struct receiver *receiver, const char *display);
void receiver_close(struct receiver *receiver);
void receiver_clear(struct receiver *receiver);

// Reads what has come and goes on until nothing has come for quiet_ms.
void receiver_read(struct receiver *receiver, int quiet_ms);

// All but motions on one line: "+Control_L +c -c -Control_L", buttons as "+b1"; modifiers in the
// state of a press are shown when with_state is set: "+b1/Shift". Valid until the next call.
const char *receiver_story(const struct receiver *receiver, bool with_state);
