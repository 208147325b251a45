// A signal that asks the program to end. Waits look at it several times a second; a transfer then
// takes its unfinished file away before the program ends.
#pragma once

#include <stdbool.h>
#include <stdint.h>

void interrupt_watch(void); // from now on SIGINT, SIGTERM and SIGHUP are noted; a second one kills
bool interrupted(void);

void interrupt_note(int number); // for a signal handler that is another's

// While put off, interrupted() is false: for steps that have to be finished or undone. What is
// pending can still be asked for.
void interrupt_put_off(bool yes);
bool interrupt_pending(void);

void interrupt_sleep(int64_t ms); // not longer than until the next interrupt

// Ends the program by the signal that was noted, as a shell expects it. Returns when none was.
void interrupt_obey(void);
