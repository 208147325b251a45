#include "hub/hub.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/bus.h"
#include "hub/cut.h"
#include "hub/devices.h"
#include "hub/faults.h"
#include "hub/http_server.h"
#include "hub/limiter.h"
#include "hub/nats_config.h"
#include "hub/nats_server.h"
#include "hub/nkey.h"
#include "hub/private_ca.h"
#include "hub/private_file.h"
#include "hub/relay/relay.h"
#include "hub/relay/socket.h"
#include "hub/roster.h"

static void enlist(void *context, struct machine_record *record)
{
    roster_put(context, record);
}

static bool open_data(struct hub *hub, struct fail *why)
{
    char *path = hub->settings->data ? mem_string(hub->settings->data) : data_dir_default();
    bool done = data_dir_open(&hub->dir, path, true, why) && data_dir_lock(&hub->dir, why) &&
                secrets_load(&hub->secrets, &hub->dir, why) &&
                store_open(&hub->store, &hub->dir, why) &&
                observed_open(&hub->observed, &hub->dir, why);
    mem_free(path);
    if (!done)
        return false;
    hub->roster = roster_new(hub->store.workspace, false);
    hub->watch.roster = hub->roster;
    hub->account = nkey_new(NKEY_ACCOUNT, hub->secrets.nats_account);
    return store_each_machine(&hub->store, enlist, hub->roster, why) &&
           observed_restore(&hub->observed, hub->roster, why);
}

static void tell_names(const char *const *names, size_t count)
{
    struct buffer text;
    buffer_init(&text, HUB_NATS_LINE_BYTES);
    bool all = true;
    for (size_t i = 0; i < count && all; i++)
        all = buffer_printf(&text, "%s%s", i ? " " : "", names[i]);
    log_info("the certificate is good for these names; --name adds one", "names", text.data, NULL);
    buffer_fini(&text);
}

// Names that the certificate has to be good for.
static bool prepare_private_ca(struct hub *hub, bool *renewed, struct fail *why)
{
    char host[256] = "";
    const char *names[6];
    size_t count = 0;
    gethostname(host, sizeof host - 1);
    names[count++] = "localhost";
    names[count++] = "127.0.0.1";
    if (*host && strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
                     strlen(host))
        names[count++] = host;
    if (hub->settings->name)
        names[count++] = hub->settings->name;
    const struct listen_at *listeners[] = {&hub->settings->http, &hub->settings->agents};
    for (size_t i = 0; i < 2; i++)
        if (!listen_at_is_any(listeners[i]))
            names[count++] = listeners[i]->address;
    if (!hub->ca) // at the start: who uses another name is told by its own client alone
        tell_names(names, count);
    return private_ca_prepare(&hub->dir, names, count, renewed, why);
}

static bool prepare_tls(struct hub *hub, struct fail *why)
{
    const struct settings *settings = hub->settings;
    bool renewed;
    if (!settings_has_tls(settings)) {
        if (settings_is_public(settings))
            log_warn("not encrypted: whoever is on the way sees commands and credentials; put a "
                     "TLS proxy in front, or use --tls",
                     NULL);
        return true;
    }
    if (settings->certificate) {
        hub->certificate = mem_string(settings->certificate);
        hub->key = mem_string(settings->key);
        return true;
    }
    if (!prepare_private_ca(hub, &renewed, why))
        return false;
    hub->certificate = data_dir_file(&hub->dir, "tls/server.pem");
    hub->key = data_dir_file(&hub->dir, "tls/server.key");
    hub->ca = mem_string("tls/ca.pem");
    return true;
}

static bool write_nats_config(struct hub *hub, char **path, struct fail *why)
{
    const struct settings *settings = hub->settings;
    const struct nats_config config = {
        .client_address = "127.0.0.1",
        .client_port = settings->nats_port,
        .agents_address = *settings->agents.address ? settings->agents.address : "0.0.0.0",
        .agents_port = settings->agents.port,
        .certificate = hub->certificate,
        .key = hub->key,
        .issuer = hub->open ? NULL : nkey_public(hub->account),
        .password = hub->secrets.nats_password,
    };
    struct buffer text;
    buffer_init(&text, HUB_NATS_CONFIG_BYTES_MAX);
    bool done =
        nats_config_write(&config, &text)
            ? private_file_write(hub->dir.fd, "nats.conf", text.data, text.size, why)
            : fail_because(why, FAIL_INVALID, "the configuration of nats-server is too large");
    if (text.data)
        explicit_bzero(text.data, text.size);
    buffer_fini(&text);
    if (done)
        *path = data_dir_file(&hub->dir, "nats.conf");
    return done;
}

static bool judge_version(struct hub *hub, const char *program, struct fail *why)
{
    struct nats_version version;
    if (!nats_server_version(program, &version, why))
        return false;
    hub->open = !nats_version_has_callout(version);
    if (!hub->open)
        return true;
    if (settings_is_public(hub->settings))
        return fail_because(why, FAIL_UNSUPPORTED,
                            "nats-server %u.%u.%u cannot ask who may connect: with it the hub "
                            "listens on loopback only. Install nats-server 2.10 or newer "
                            "(https://nats.io/download) and name it with --nats-server PATH",
                            version.major, version.minor, version.patch);
    log_warn("NOBODY IS AUTHENTICATED: this nats-server is older than 2.10, so every user and "
             "program of this computer can command every connected machine, and revoking one has "
             "no effect. Good for trying out, for nothing else; get a newer one from "
             "https://nats.io/download and name it with --nats-server PATH",
             "nats-server", program, NULL);
    roster_set_open(hub->roster, true);
    return true;
}

static bool is_of_this_machine(const char *host)
{
    static const char *const names[] = {"127.", "[::1]", "localhost:", "localhost/"};
    bool found = strcmp(host, "localhost") == 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        found |= strncmp(host, names[i], strlen(names[i])) == 0;
    return found;
}

static bool start_nats(struct hub *hub, struct fail *why)
{
    if (hub->settings->nats_url) {
        if (strncmp(hub->settings->nats_url, "nats://", 7) == 0 &&
            !is_of_this_machine(hub->settings->nats_url + 7))
            log_warn("not encrypted: whoever is on the way to nats-server sees commands and the "
                     "hub's password",
                     NULL);
        hub->nats_url = mem_string(hub->settings->nats_url);
        return true;
    }
    hub->nats_url = mem_printf("nats://127.0.0.1:%d", hub->settings->nats_port);
    char *program = nats_server_find(hub->settings->nats_server, why), *config = NULL;
    bool done = program && judge_version(hub, program, why) &&
                write_nats_config(hub, &config, why) &&
                (hub->nats = nats_server_start(program, config, why));
    mem_free(program);
    mem_free(config);
    return done;
}

static void on_message(void *context, const char *subject, const void *data, size_t size)
{
    struct hub *hub = context;
    watch_feed(&hub->watch, subject, data, size, moment_now());
}

static bool nats_is_ready(void *context)
{
    struct hub *hub = context;
    return !hub->nats || nats_server_ready(hub->nats);
}

static void on_flood(void *context, const char *machine)
{
    struct hub *hub = context;
    bus_cut(hub->bus, machine, CUT_EVERY);
}

// The relay's clock counts ms: what began in this one is older, too.
static void cut_relay(struct hub *hub, const char *machine)
{
    relay_cut(relay_socket_relay(hub->relay), machine, clock_mono_ms() + 1);
}

void hub_cut(struct hub *hub, const char *machine)
{
    bus_cut(hub->bus, machine, CUT_EVERY);
    cut_relay(hub, machine);
}

static void read_generation(void *generation, struct machine *machine)
{
    *(int64_t *)generation = machine->record.generation;
}

void hub_cut_older(struct hub *hub, const char *machine)
{
    int64_t generation = 0;
    roster_visit(hub->roster, machine, read_generation, &generation);
    if (generation == 1)
        return; // the first enrolment: nothing is older
    bus_cut(hub->bus, machine, clock_wall_ns());
    cut_relay(hub, machine);
}

// The hub is to end before it has begun; whoever handles signals does so when it serves.
static bool stop_is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

// A server of our own that cannot start at all ends the hub with the reason; one that runs by
// itself may still come.
static bool connect_bus(struct hub *hub, struct fail *why)
{
    const struct bus_setup setup = {
        .url = hub->nats_url,
        .password = hub->open ? NULL : hub->secrets.nats_password,
        .doubt = hub->settings->nats_url != NULL,
        .ready = nats_is_ready,
        .subjects = watch_subjects,
        .on_message = on_message,
        .on_question = hub_authorize,
        .context = hub,
    };
    hub->bus = bus_start(&setup, why);
    if (!hub->bus)
        return false;
    char error[FAIL_WHAT_BYTES];
    for (int waited = 0; waited < HUB_NATS_START_MS; waited += HUB_NATS_LOOK_MS) {
        if (bus_wait_up(hub->bus, HUB_NATS_LOOK_MS) || stop_is_pending())
            return true;
        if (bus_is_open_to_all(hub->bus))
            return fail_because(why, FAIL_UNSUPPORTED,
                                "nats-server at %s lets everybody in: it has to be 2.10 or newer, "
                                "with what opengeni-hub nats-config prints in its configuration",
                                hub->nats_url);
        if (hub->nats && nats_server_ended(hub->nats, error, sizeof error))
            return fail_because(why, FAIL_SYSTEM, "nats-server does not start: %.200s", error);
    }
    bus_last_error(hub->bus, error, sizeof error);
    if (hub->nats)
        return fail_because(why, FAIL_TIMEOUT, "nats-server does not answer: %.200s", error);
    log_warn("nats-server does not answer yet", "url", hub->nats_url, "reason", error, NULL);
    return true;
}

struct identity {
    int64_t generation;
    bool known;
};

static void compare(void *context, struct machine *machine)
{
    struct identity *identity = context;
    identity->known =
        !machine->record.revoked_ms && machine->record.generation == identity->generation;
}

static bool is_known(void *context, const char *agent, int64_t generation)
{
    struct hub *hub = context;
    struct identity identity = {.generation = generation};
    roster_visit(hub->roster, agent, compare, &identity);
    return identity.known;
}

static bool listen_http(struct hub *hub, struct fail *why)
{
    struct relay_setup relay = {
        .limits = relay_default_limits,
        .producer_key = hub->secrets.producer,
        .viewer_key = hub->secrets.viewer,
        .is_known = is_known,
        .context = hub,
    };
    relay.limits.pair_ms = faults_pair_ms(hub->settings->faults, relay.limits.pair_ms);
    char *socket = data_dir_file(&hub->dir, "hub.sock");
    hub->relay = relay_socket_new(&relay);
    const struct http_setup setup = {
        .address = hub->settings->http.address,
        .port = hub->settings->http.port,
        .certificate = hub->certificate,
        .key = hub->key,
        .socket_path = socket,
        .answer = hub_answer,
        .context = hub,
        .sockets = relay_socket_handler(hub->relay),
    };
    hub->http = http_server_new(&setup, why);
    mem_free(socket);
    return hub->http != NULL;
}

bool hub_start(struct hub *hub, const struct settings *settings, struct fail *why)
{
    *hub = (struct hub){.settings = settings, .started_ms = clock_boot_ms()};
    hub->dir = (struct data_dir){.fd = -1, .lock = -1};
    hub->watch = (struct watch){.cut = on_flood, .context = hub};
    hub->failures = limiter_new(HUB_FAILURES_BURST, HUB_FAILURES_PER_SECOND);
    hub->starts = limiter_new(HUB_DEVICE_STARTS_BURST, HUB_DEVICE_STARTS_PER_SECOND);
    hub->polls = limiter_new(HUB_DEVICE_POLLS_BURST, HUB_DEVICE_POLLS_PER_SECOND);
    hub->devices = devices_new();
    return open_data(hub, why) && prepare_tls(hub, why) && listen_http(hub, why) &&
           start_nats(hub, why) && connect_bus(hub, why);
}

void hub_run(struct hub *hub)
{
    http_server_run(hub->http);
}

void hub_end(struct hub *hub)
{
    http_server_end(hub->http);
}

void hub_stop(struct hub *hub)
{
    struct fail why;
    http_server_free(hub->http); // its requests use everything else
    relay_socket_free(hub->relay);
    bus_stop(hub->bus);
    nats_server_stop(hub->nats);
    if (hub->roster && hub->observed.sql.db &&
        !observed_save(&hub->observed, hub->roster, true, &why))
        log_warn("history not saved", "reason", log_why(&why), NULL);
    observed_close(&hub->observed);
    store_close(&hub->store);
    roster_free(hub->roster);
    nkey_free(hub->account);
    devices_free(hub->devices);
    limiter_free(hub->failures);
    limiter_free(hub->starts);
    limiter_free(hub->polls);
    mem_free(hub->certificate);
    mem_free(hub->key);
    mem_free(hub->ca);
    mem_free(hub->nats_url);
    secrets_wipe(&hub->secrets);
    data_dir_close(&hub->dir);
}

static void take_over_certificates(struct hub *hub)
{
    http_server_reload(hub->http);
    if (hub->nats)
        nats_server_reload(hub->nats);
}

void hub_renew(struct hub *hub)
{
    struct fail why;
    bool renewed = false;
    if (hub->ca && !prepare_private_ca(hub, &renewed, &why))
        log_error("certificate not renewed", "reason", log_why(&why), NULL);
    if (renewed)
        take_over_certificates(hub);
}

void hub_reload(struct hub *hub)
{
    log_info("reloading", NULL);
    take_over_certificates(hub);
}

bool hub_healthy(struct hub *hub)
{
    return bus_up(hub->bus);
}
