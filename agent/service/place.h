// Where the unit lies, for this person or for the whole system.
#pragma once

#include "service/unit.h"

struct service_place {
    enum service_scope scope;
    char *dir;      // where a person's or an administrator's units are
    char *file;     // the unit in it
    char *packaged; // the unit a package brought; NULL when there is none
};

// Fails when the home directory is not known.
bool service_place_init(struct service_place *place, enum service_scope scope, struct fail *why)
    __attribute__((warn_unused_result));
void service_place_fini(struct service_place *place);

// A unit is there, whoever brought it.
bool service_installed(const struct service_place *place);

// systemd runs this machine; sd_booted(3).
bool service_manager_present(void);
