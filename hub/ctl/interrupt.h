// A signal that asks the program to end. Waits look at it several times a second; a transfer then
// takes its unfinished file away before the program ends.
#pragma once

#include <stdbool.h>

void interrupt_watch(void); // from now on SIGINT, SIGTERM and SIGHUP are noted; a second one kills
bool interrupted(void);

// Ends the program by the signal that was noted, as a shell expects it. Returns when none was.
void interrupt_obey(void);
