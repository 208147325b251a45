// The desktop process: answers the daemon on the view socket, feeds viewers, ends when nobody has
// needed it for a while.
#pragma once

#include <stdint.h>

// view, input: sockets; held: memory that outlives this process, -1 for none. Returns the exit
// status.
int serve(int view, int input, int held, int64_t idle_ms);
