// What an X server that was killed has left in /tmp.
#pragma once

#include <stdbool.h>

// True when the display's number is free: nothing answers there, and lock and socket of a server
// that is no more have been taken away.
bool stale_clear(unsigned number);
