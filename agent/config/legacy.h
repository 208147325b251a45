// credentials.json, the one connection of agents up to 0.2.0, is taken over into connections/.
#pragma once

#include "config/secure_dir.h"

// Done already, or nothing to do: true. The file is removed only when its content is safe in a
// document; a different document in that place is left alone, and so is the file. api_url is the
// guess for where the credentials came from; NULL for the usual one.
bool legacy_migrate(const struct secure_dir *config, const char *api_url, struct fail *why)
    __attribute__((warn_unused_result));
