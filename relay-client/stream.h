// The one thread that owns every WebSocket, terminal and tunnel: its start and its end, for others.
// It starts by itself when it is first needed.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

// Safe to call from any thread, any number of times.
bool stream_start(struct fail *why) __attribute__((warn_unused_result));

// Ends every WebSocket and the thread. For the end of the process.
void stream_stop(void);
