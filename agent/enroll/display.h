// Whether this machine could show a desktop, as far as one can tell without X libraries.
#pragma once

#include <stdbool.h>

// Whether an X server answers at $DISPLAY, or, without it, at :0. Local servers only; never waits.
bool display_is_there(void);
