// Errors of the X protocol, for a program that goes on after them. Xlib would print the error and
// exit; here it is remembered for the thread that owns the connection, which asks for it.
#pragma once

#include <X11/Xlib.h>
#include <stdbool.h>

#include "base/fail.h"

// Connections that are watched at once.
enum { XERROR_DISPLAYS = 4 };

// Before anything else that uses Xlib.
void xerror_install(void);
void xerror_watch(Display *display);
void xerror_forget(Display *display);

// Waits until the server has done everything asked so far. False when it refused any of it since
// the last call, or has gone; the message names what was done.
bool xerror_sync(Display *display, const char *what, struct fail *why)
    __attribute__((warn_unused_result));

// The first error since the last call, 0 for none; without waiting. X.h names the codes.
int xerror_take(Display *display);

// The connection has broken. No call on it does anything any more.
bool xerror_lost(Display *display);
bool xerror_lost_fail(struct fail *why); // the failure that says so; returns false
