// The directory with connections, identity, lock and status. Other builds of the agent use the
// same place and the same files, so that one can take over from another.
#pragma once

#include "config/secure_dir.h"

#define CONFIG_CONNECTIONS "connections" // one document per connection
#define CONFIG_LEGACY      "credentials.json"
#define CONFIG_IDENTITY    "machine-identity.ed25519"
#define CONFIG_HOST        "machine-identity.host"
#define CONFIG_LOCK        "agent.lock"
#define CONFIG_STATUS      "status.json"
#define CONFIG_PAUSE       "paused"
#define CONFIG_SETTINGS    "agent.ini"
#define CONFIG_SCREEN      "virtual-desktop.auth" // the cookie of a screen of our own

// Its absolute path: option (may be NULL), else $OPENGENI_CONFIG_DIR, else
// $XDG_CONFIG_HOME/opengeni/agent, else ~/.config/opengeni/agent. Freed with mem_free. *chosen
// tells whether somebody named the directory itself; may be NULL.
bool config_dir_path(const char *option, char **path, bool *chosen, struct fail *why)
    __attribute__((warn_unused_result));

// Opens it after the checks of secure_dir_open; dir->fd is -1 when it does not exist.
// config_dir_create makes it and its parents when they are missing. Root gets another user's
// directory only when it was chosen.
bool config_dir_open(struct secure_dir *dir, const char *option, struct fail *why)
    __attribute__((warn_unused_result));
bool config_dir_create(struct secure_dir *dir, const char *option, struct fail *why)
    __attribute__((warn_unused_result));
