// opengeni-hub: the other side of the agents, for people who run their own.
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "hub/verbs.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} verbs[] = {
    {"serve", cmd_serve, "run the hub"},
    {"token", cmd_token, "print a token that enrols one machine"},
    {"requests", cmd_requests, "list the machines that wait to be let in"},
    {"approve", cmd_approve, "let a machine in, by the code that it shows"},
    {"deny", cmd_deny, "refuse it"},
    {"workspace", cmd_workspace, "print the workspace id, for opengeni-agent connect"},
    {"machines", cmd_machines, "list the enrolled machines"},
    {"revoke", cmd_revoke, "end a machine's access"},
    {"rename", cmd_rename, "give a machine a name"},
    {"backup", cmd_backup, "copy everything the hub keeps, also while it runs"},
    {"nats-config", cmd_nats_config, "for a nats-server of your own"},
};

static void print_help(FILE *to)
{
    fputs("Usage: opengeni-hub COMMAND [options]\n\n", to);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        fprintf(to, "  %-12s %s\n", verbs[i].name, verbs[i].help);
    fputs("\nopengeni-hub COMMAND --help tells more. Everything is kept in the directory that\n"
          "--data names; the default is $STATE_DIRECTORY, else /var/lib/opengeni-hub for\n"
          "root, else $XDG_STATE_HOME/opengeni-hub or ~/.local/state/opengeni-hub.\n",
          to);
}

int main(int argc, char **argv)
{
    log_init();
    const char *name = argc > 1 ? argv[1] : "";
    if (argc == 3 && strcmp(name, "help") == 0) { // "help COMMAND" is "COMMAND --help"
        static char help[] = "--help";
        name = argv[1] = argv[2];
        argv[2] = help;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(name, verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("opengeni-hub " OG_VERSION);
        return 0;
    }
    bool asked =
        strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0;
    if (*name && !asked)
        fprintf(stderr, "opengeni-hub: there is no command %s\n\n", name);
    print_help(asked ? stdout : stderr);
    return asked ? 0 : 2;
}
