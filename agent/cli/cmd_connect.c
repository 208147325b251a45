// "connect" makes a connection: with an enrolment token, or with a code that somebody confirms in
// the browser. A running agent picks it up by itself.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/connect.h"
#include "cli/enroll_token.h"
#include "cli/say.h"
#include "cli/workplace.h"
#include "config/api_url.h"
#include "config/bearer.h"
#include "config/config_dir.h"
#include "config/identity.h"
#include "enroll/device.h"
#include "enroll/display.h"

static const char *channel = "stable", *workspace_id, *machine_name, *token_option, *token_file,
                  *access_key;
static bool force, non_interactive, wants_screen;

// What there is to send: visible characters, at most 256 UTF-16 units. NULL when nothing is left.
static char *sendable_name(const char *given)
{
    char host[256] = "";
    if (!given)
        gethostname(host, sizeof host - 1);
    char *name = printable_copy(given ? given : host);
    size_t skip = strspn(name, " "), size = 0, units = 0;
    memmove(name, name + skip, strlen(name + skip) + 1);
    while (name[size]) {
        size_t bytes = 1;
        while ((name[size + bytes] & 0xc0) == 0x80)
            bytes++;
        units += bytes == 4 ? 2 : 1;
        if (units > MACHINE_NAME_UNITS_MAX)
            break;
        size += bytes;
    }
    while (size > 0 && name[size - 1] == ' ')
        size--;
    name[size] = '\0';
    if (size > 0)
        return name;
    mem_free(name);
    return NULL;
}

// RFC 9562: version 1 to 8, variant 10; nil and max are UUIDs too.
static bool is_uuid(const char *text)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    static const char form[] = "xxxxxxxx-xxxx-Mxxx-Nxxx-xxxxxxxxxxxx";
    if (strlen(text) != sizeof form - 1)
        return false;
    bool special = strspn(text, "0-") == strlen(text) || strspn(text, "fF-") == strlen(text);
    for (size_t i = 0; form[i]; i++) {
        const char *allowed = form[i] == '-'               ? "-"
                              : form[i] == 'M' && !special ? "12345678"
                              : form[i] == 'N' && !special ? "89abAB"
                                                           : digits;
        if (!strchr(allowed, text[i]))
            return false;
    }
    return true;
}

static void show_prompt(const struct device_prompt *prompt)
{
    if (prompt->foreign)
        say_warning("the page to confirm on is not at the address you gave");
    say("To connect this machine, open");
    say("    %s", prompt->page);
    say("and enter the code  %s", prompt->code);
    if (*prompt->direct)
        say("or open directly\n    %s", prompt->direct);
    say("Waiting...");
    fflush(stdout);
}

// What there is of this deployment and workspace already.
static const struct connection *existing(const struct workplace *place, const char *id)
{
    for (size_t i = 0; i < place->connections.count; i++)
        if (strcmp(place->connections.entries[i].name, id) == 0)
            return place->connections.entries[i].connection;
    return NULL;
}

static bool is_connected(const struct workplace *place, const char *api_url)
{
    char id[CONNECTION_ID_BYTES];
    int64_t expires_s;
    connection_id(api_url, workspace_id, id);
    const struct connection *connection = existing(place, id);
    enum bearer_state state =
        connection ? bearer_read(connection->nats_bearer, clock_wall_ms() / 1000, &expires_s)
                   : BEARER_MISSING;
    if (!connection || state == BEARER_EXPIRED || state == BEARER_MISSING)
        return false;
    say("This machine is already connected to that workspace (%s).", id);
    say("With --force it is connected anew.");
    return true;
}

// Nothing has been stored until then; what was asked for expires at the other side.
static void on_interrupt(int number)
{
    static const char text[] = "\nopengeni-agent: interrupted; this machine was not connected\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(128 + number);
}

// The private CA to trust, also later: the one that is named, else that of an earlier connection to
// the same deployment. False when it is not there. Freed with mem_free.
static bool find_ca_file(const struct invocation *invocation, const struct workplace *place,
                         char **path, struct fail *why)
{
    *path = NULL;
    for (size_t i = 0; i < place->connections.count && !invocation->ca_file && !*path; i++) {
        const struct connection *earlier = place->connections.entries[i].connection;
        if (earlier && earlier->ca_file && strcmp(earlier->api_url, invocation->api_url) == 0)
            *path = mem_string(earlier->ca_file);
    }
    if (!invocation->ca_file)
        return true;
    char *whole = realpath(invocation->ca_file, NULL);
    if (!whole)
        return fail_errno(why, errno, "read", invocation->ca_file);
    *path = mem_string(whole);
    free(whole); // lint: allocator, realpath(3) made it
    return true;
}

static struct connection *obtain(const struct invocation *invocation, const char *token,
                                 const char *ca_file, const char *public_key, struct fail *why)
{
    struct utsname system;
    uname(&system);
    if (strcmp(system.machine, "x86_64") != 0 && strcmp(system.machine, "aarch64") != 0) {
        fail_because(why, FAIL_UNSUPPORTED, "deployments do not know %.60s processors",
                     system.machine);
        return NULL;
    }
    const struct http_client client = {invocation->api_url, ca_file,
                                       access_key && *access_key ? access_key : NULL};
    char *name = sendable_name(machine_name);
    // What is kept is what was sent: a document that cannot be written would waste the token.
    const struct credentials_origin origin = {invocation->api_url, channel,
                                              machine_name ? name : NULL, ca_file};
    const struct enroll_machine machine = {.public_key = public_key,
                                           .arch = system.machine,
                                           .name = name,
                                           .display = display_is_there(),
                                           .wants_screen = wants_screen};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct sigaction interrupted = {.sa_handler = on_interrupt}, before;
    sigaction(SIGINT, &interrupted, &before);
    struct connection *connection =
        token ? exchange_token(&client, token, &machine, &origin, why)
              : device_connect(&client, workspace_id, &machine, &origin, show_prompt, why);
    sigaction(SIGINT, &before, NULL);
    curl_global_cleanup();
    mem_free(name);
    return connection;
}

static int report(const struct workplace *place, const struct connection *connection)
{
    say("Connected to %s, workspace %s.", connection->api_url, connection->workspace_id);
    say("    connection  %s", connection->id);
    if (connection->ca_file)
        say("    trusts      %s, also from now on: keep it there", connection->ca_file);
    say("Its members can now run any command here that you can run, and read and write your "
        "files.");
    say(connection->consented_screen_control
            ? "They can also use this machine's mouse and keyboard."
            : "They cannot use its mouse and keyboard.");
    if (place->live.running)
        say("The running agent picks it up by itself.");
    else
        say("Start the agent with '%s'.", workplace_starter());
    return EXIT_OK;
}

static int connect_with(const struct invocation *invocation, const char *token)
{
    struct workplace place;
    struct secure_dir config;
    struct fail why;
    char public_key[IDENTITY_TEXT_BYTES];
    if (!workplace_open(invocation, &place))
        return EXIT_FAILED;
    if (!force && !token && is_connected(&place, invocation->api_url)) {
        workplace_close(&place);
        return EXIT_OK;
    }
    if (api_url_in_clear(invocation->api_url))
        say_warning("%s is not encrypted: this machine's credentials cross the network in clear",
                    invocation->api_url);
    int status = EXIT_FAILED;
    struct connection *connection = NULL;
    char *ca_file = NULL;
    if (find_ca_file(invocation, &place, &ca_file, &why) &&
        config_dir_create(&config, NULL, &why)) {
        if (identity_public_key(&config, public_key, &why) &&
            (connection = obtain(invocation, token, ca_file, public_key, &why)) &&
            connections_save(&config, connection, &why))
            status = report(&place, connection);
        secure_dir_fini(&config);
    }
    if (status != EXIT_OK)
        say_failure(&why);
    connection_free(connection);
    mem_free(ca_file);
    workplace_close(&place);
    return status;
}

static int explain_what_is_missing(void)
{
    if (non_interactive)
        say_error("--non-interactive needs a token: --token-file FILE, or --token - to read it "
                  "from standard input, or OPENGENI_ENROLL_TOKEN");
    else
        say_error("say to which workspace with --workspace-id ID, or give a token with "
                  "--token-file FILE");
    return EXIT_FAILED;
}

// What is said twice: on the command line of connect, and of run.
static bool options_make_sense(void)
{
    bool known = strcmp(channel, "stable") == 0 || strcmp(channel, "beta") == 0;
    if (!known)
        say_error("the channel is stable or beta");
    else if (workspace_id && !is_uuid(workspace_id))
        say_error("the workspace id is not a UUID");
    else
        return true;
    return false;
}

int connect_first(const struct invocation *invocation, const char *token, const char *workspace,
                  const char *name, const char *updates)
{
    workspace_id = workspace;
    machine_name = name;
    if (updates)
        channel = updates;
    return options_make_sense() ? connect_with(invocation, token) : EXIT_USAGE;
}

static int run(const struct invocation *invocation)
{
    char *token;
    if (!options_make_sense())
        return EXIT_USAGE;
    if (!enroll_token_read(token_option, token_file, invocation->enroll_token, &token))
        return EXIT_FAILED;
    int status = !token && (non_interactive || !workspace_id) ? explain_what_is_missing()
                                                              : connect_with(invocation, token);
    mem_free_secret(token);
    mem_free_secret((char *)token_option);
    mem_free_secret((char *)access_key);
    return status;
}

static const struct option_spec options[] = {
    {.name = "workspace-id",
     .argument = "ID",
     .variable = "OPENGENI_WORKSPACE_ID",
     .help = "to this one; somebody confirms it in a browser",
     .value = &workspace_id},
    {.name = "token",
     .argument = "TOKEN",
     .help = "an enrolment token; - reads it from stdin",
     .value = &token_option,
     .secret = true},
    {.name = "token-file",
     .argument = "FILE",
     .help = "the same, with the first line of a file",
     .value = &token_file},
    {.name = "machine-name",
     .argument = "NAME",
     .help = "instead of the host's name",
     .value = &machine_name},
    {.name = "request-screen-control",
     .help = "ask for mouse and keyboard, too",
     .flag = &wants_screen},
    {.name = "channel",
     .argument = "NAME",
     .help = "of updates: stable or beta (stable)",
     .value = &channel},
    {.name = "force", .help = "also when there is such a connection", .flag = &force},
    {.name = "non-interactive", .help = "never wait for a person", .flag = &non_interactive},
    {.name = "access-key", .variable = "OPENGENI_ACCESS_KEY", .value = &access_key, .secret = true},
    {.name = NULL},
};

const struct command command_connect = {
    .name = "connect",
    .arguments = "",
    .summary = "Connect this machine to a workspace",
    .details = "Without a token it shows a page and a code, and waits until somebody has\n"
               "confirmed there. A token on the command line can be seen by other users for a\n"
               "moment; --token-file and --token - avoid that, and OPENGENI_ENROLL_TOKEN does.\n",
    .options = options,
    .run = run,
};

// What scripts for older agents call it.
const struct command command_enroll = {
    .name = "enroll",
    .arguments = "",
    .summary = NULL,
    .options = options,
    .run = run,
};
