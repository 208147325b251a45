// The daemon's command line. It is started by "opengeni-agent run", not typed by people.
#pragma once

#include <stdbool.h>

struct options {
    const char *config_dir;      // NULL: found as usual
    const char *api_url;         // hint for the origin of a migrated connection; NULL: the default
    const char *machine_name;    // instead of the host's
    const char *ca_file;         // a private CA; NULL: the system's store alone
    const char *virtual_desktop; // size of a screen to be made, "1280x800"; NULL: none
    const char *virtual_display; // the name it shall have; NULL: the usual one
    const char *updater; // opengeni-agent, when it may update this installation; NULL: it may not
    const char *trial;   // remove this file once the daemon is up (update/trial.h); NULL: none
    bool wait;           // stay up, and wait for the lock and for a connection
};

// Exits with status 2 and a message when the arguments make no sense.
void options_parse(int argc, char **argv, struct options *options);
