// The text of the systemd unit that runs the agent, and whose text an existing one is.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"

#define SERVICE_UNIT "opengeni-agent.service"

enum service_scope { SERVICE_USER, SERVICE_SYSTEM };

struct unit_wish {
    enum service_scope scope;
    const char *executable; // absolute
    const char *path;       // value of $PATH for the commands; NULL: the manager's own
    const char *config_dir; // NULL: the usual one
    const char *user;       // whom a system service runs as; NULL: root
    int systemd;            // version of systemd; 0 is old
};

// A unit may be made for a systemd that knows DelegateSubgroup= and RestartSteps=.
enum { SYSTEMD_WITH_SUBGROUP = 254, SYSTEMD_WITH_LOGIN_ENVIRONMENT = 255 };

// The whole file, its first line being a mark with a digest of the rest. Freed with mem_free. NULL
// with *why when a value holds what a unit cannot: control characters. systemd.unit(5).
char *unit_text(const struct unit_wish *wish, struct fail *why) __attribute__((warn_unused_result));

enum unit_owner {
    UNIT_OURS,      // made by unit_text and not changed since
    UNIT_GENERATED, // made by another build of the agent
    UNIT_FOREIGN,   // written or changed by a person
};
enum unit_owner unit_owner(const char *text, size_t size);

// What a unit of UNIT_OURS was made with. NULL where its text says nothing.
struct unit_values {
    char *executable, *path, *config_dir, *user;
};

// False for any other text. To be freed with unit_values_fini either way.
bool unit_values_read(const char *text, size_t size, struct unit_values *values)
    __attribute__((warn_unused_result));
void unit_values_fini(struct unit_values *values);

// The number in the first line of "systemctl --version": "systemd 252 (252.38-1)". 0 if none.
int unit_systemd_version(const char *text);
