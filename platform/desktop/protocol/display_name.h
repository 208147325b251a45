// Names of X displays on this machine: ":0", ":99.0", "unix:1" (X(7)).
#pragma once

#include <stdbool.h>

// False for anything else, also for a display of another host.
bool display_name_number(const char *name, unsigned *number);
