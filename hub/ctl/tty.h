// The person's own terminal while it shows a remote one: raw, and restored whatever ends the
// program. One per process.
#pragma once

#include <stdbool.h>

// From now on signals that end, stop or resize are noted instead (interrupt.h for those that end),
// and a crash restores the terminal. Returns a descriptor that is readable once something has come.
int tty_watch_signals(void);
void tty_unwatch_signals(void);

enum { TTY_RESIZED = 1, TTY_CONTINUED = 2, TTY_STOP = 4, TTY_END = 8 };
unsigned tty_signals(void); // what has come since the last call

// Standard input as raw bytes, when it is a terminal; false with errno when that failed.
bool tty_make_raw(void) __attribute__((warn_unused_result));
void tty_restore(void); // nothing to do is no error

// Stops the program as a shell's ^Z does, until it is continued.
void tty_suspend(void);

// Of the terminal on standard output, input or error, in this order; false when there is none, or
// it does not know.
bool tty_size(unsigned *cols, unsigned *rows);
