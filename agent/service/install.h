// Makes the service known to systemd, or forgotten; the steps that people would type themselves.
#pragma once

#include "base/buffer.h"
#include "service/place.h"

// Runs "systemctl [--user] <words>"; extra may be NULL. *status is its exit status.
bool service_systemctl(enum service_scope scope, const char *verb, const char *extra,
                       const char *unit, int *status, struct fail *why)
    __attribute__((warn_unused_result));

// systemctl --user needs to know where the manager's socket is; also where su or ssh left it out.
void service_find_manager(void);

// What "systemctl show" answers, lines NAME=VALUE; out has to be empty, and holds text afterwards.
bool service_show(enum service_scope scope, const char *properties, struct buffer *out,
                  struct fail *why) __attribute__((warn_unused_result));

// daemon-reload; and a restart after it, which this process may be part of and does not wait for.
bool service_reload(enum service_scope scope, struct fail *why) __attribute__((warn_unused_result));
bool service_restart(enum service_scope scope, struct fail *why)
    __attribute__((warn_unused_result));

// daemon-reload, enable --now, and restart when asked. False with *why when a step failed.
bool service_enable(const struct service_place *place, bool restart, struct fail *why)
    __attribute__((warn_unused_result));

// disable --now; failures do not matter.
void service_disable(const struct service_place *place);

// A person's services end with the last session unless they linger (loginctl(1)). service_linger
// turns it on for whoever runs this program.
bool service_lingers(void);
bool service_linger(struct fail *why) __attribute__((warn_unused_result));
const char *service_user(void); // of whoever runs this program; "" when unknown

// Of the systemd that is installed, 0 when it does not tell.
int service_systemd_version(void);
