// The machine's metrics as a message, for the operation and for heartbeats.
#pragma once

#include "ops/op.h"

// The latest sample, with its texts in the arena; GPUs are left out when that is full. fresh: taken
// now if the latest is older than a moment.
void metrics_message(struct metrics *metrics, bool fresh, struct arena *arena,
                     Og__MetricsSample *message);
