// The configuration directory with what is in it, as most commands need it.
#pragma once

#include "cli/live.h"
#include "config/connections.h"

struct invocation;

struct workplace {
    struct secure_dir config; // fd is -1 when there is none yet
    struct connections connections;
    struct live live;
};

// Opens the directory, loads the connections, looks for a running agent. What is wrong with single
// files becomes warnings; false after an error message when nothing works.
bool workplace_open(const struct invocation *invocation, struct workplace *place);
// Lets a running agent write down how it is now, for those who show it.
void workplace_refresh(struct workplace *place);

void workplace_close(struct workplace *place);

// The blocks of text of all connections, invalid ones included, with what a running agent says.
void workplace_list(const struct workplace *place);

// The same as JSON, a list; to be given to json_decref. No secrets.
struct json_t *workplace_json(const struct workplace *place);

// The command that starts the agent on this machine: as a service where systemd runs it.
const char *workplace_starter(void);

// The command that connects it anew, with placeholders for what a shell would act on; freed with
// mem_free.
char *workplace_renewal(const struct connection *connection);

// What to do on a machine without connections, on stderr.
void workplace_explain_connecting(void);
