// How long a link waits before it dials again: full jitter, quick for the first minute, so that a
// restarted control plane finds its machines within seconds and a fleet does not come in step.
#pragma once

#include <stdint.h>

// Longest wait before attempt number attempt (0 is the first), in ms. denied_ms: how long the
// server has refused the credentials without a break; after some minutes of it the pace drops.
int64_t backoff_ceiling(unsigned attempt, int64_t denied_ms);

// A random wait in [0, ceiling].
int64_t backoff_delay(unsigned attempt, int64_t denied_ms);
