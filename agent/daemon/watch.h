// Tells when the connection documents may have changed.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

struct watch;

// Watches the directory and its connections/. Never NULL: where inotify cannot be had, watch_fd is
// -1 and the caller looks again by itself.
struct watch *watch_new(const char *config_dir);

int watch_fd(const struct watch *watch); // readable: call watch_take
void watch_take(struct watch *watch);    // reads the events, and watches what was missing before
