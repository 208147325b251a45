// The update that a control plane has asked the daemon for (upgrade/updater.h): exactly one
// version, whatever the rollout says. What is told on stdout is for the daemon.
#pragma once

#include "config/secure_dir.h"
#include "update/release.h"

// Returns the exit status.
int managed_update(const struct release_source *source, const char *version,
                   const char *operation_id, const struct secure_dir *config);
