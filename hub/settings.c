#include "hub/settings.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "hub/faults.h"

const char settings_help[] =
    "Usage: opengeni-hub serve [options]\n"
    "\n"
    "  --data DIR             everything it keeps (see opengeni-hub --help)\n"
    "  --listen ADDR:PORT     HTTP API and relay (127.0.0.1:8000)\n"
    "  --agents ADDR:PORT     WebSocket listener for machines (the next port)\n"
    "  --name HOST            by which machines reach it, in certificate and URLs\n"
    "  --tls                  encrypt with a private CA made once in DIR/tls\n"
    "  --tls-cert FILE        encrypt with this certificate,\n"
    "  --tls-key FILE         and this key\n"
    "  --no-tls               do not encrypt, although others can reach the port\n"
    "                         (else: TLS with the private CA, but not on loopback)\n"
    "  --nats-port PORT       nats-server on 127.0.0.1, for hub and ctl (4222)\n"
    "  --nats-server PATH     this nats-server program\n"
    "  --nats-url URL         use one that runs already (opengeni-hub nats-config)\n"
    "  --agents-url URL       tell machines to connect here: wss://hub.example/nats\n"
    "  --relay-url URL        tell machines to relay through here\n"
    "  --web-url URL          where people let machines in: https://hub.example\n";

static bool parse_port(const char *text, int *port, struct fail *why)
{
    size_t size = strlen(text);
    if (size == 0 || size > 5 || strspn(text, "0123456789") != size ||
        strtol(text, NULL, 10) > 65535 || strtol(text, NULL, 10) == 0)
        return fail_because(why, FAIL_INVALID, "%s is no port number", text);
    *port = (int)strtol(text, NULL, 10);
    return true;
}

static bool is_ip(const char *text)
{
    unsigned char address[16];
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

// "ADDRESS:PORT", "[IPV6]:PORT" or ":PORT"; "localhost" is 127.0.0.1.
static bool listen_at_parse(const char *text, struct listen_at *at, struct fail *why)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return fail_because(why, FAIL_INVALID, "%s is not of the form ADDRESS:PORT", text);
    size_t size = (size_t)(colon - text);
    bool bracketed = size >= 2 && text[0] == '[' && colon[-1] == ']';
    if (bracketed) {
        text++;
        size -= 2;
    }
    if (size >= sizeof at->address)
        return fail_because(why, FAIL_INVALID, "%s is no address", text);
    snprintf(at->address, sizeof at->address, "%.*s", (int)size, text);
    if (strcmp(at->address, "localhost") == 0)
        snprintf(at->address, sizeof at->address, "127.0.0.1");
    if (*at->address && (!is_ip(at->address) || bracketed != (strchr(at->address, ':') != NULL)))
        return fail_because(why, FAIL_INVALID, "%s is no IP address to listen on", at->address);
    return parse_port(colon + 1, &at->port, why);
}

static bool listen_at_is_loopback(const struct listen_at *at)
{
    return strncmp(at->address, "127.", 4) == 0 || strcmp(at->address, "::1") == 0;
}

bool listen_at_is_any(const struct listen_at *at)
{
    return !*at->address || strcmp(at->address, "0.0.0.0") == 0 || strcmp(at->address, "::") == 0;
}

bool settings_is_public(const struct settings *settings)
{
    return !listen_at_is_loopback(&settings->http) || !listen_at_is_loopback(&settings->agents);
}

bool settings_has_tls(const struct settings *settings)
{
    if (settings->tls == TLS_BY_ADDRESS)
        return settings_is_public(settings);
    return settings->tls != TLS_NONE;
}

// A host name or address as it may stand in a URL and a certificate.
static bool is_host(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size < 254 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") ==
               size &&
           (!strchr(text, ':') || is_ip(text));
}

// schemes: "ws:wss:". Credentials have no place in it: it is logged and handed on.
static bool check_url(const char *option, const char *url, const char *schemes, struct fail *why)
{
    const char *end = url ? strstr(url, "://") : NULL;
    size_t size = end ? (size_t)(end - url) : 0;
    bool known = !url;
    for (const char *at = schemes; size && *at; at += strcspn(at, ":") + 1)
        known |= strcspn(at, ":") == size && strncmp(at, url, size) == 0;
    if (!known || (end && (!end[3] || strchr(end, '@'))))
        return fail_because(why, FAIL_INVALID,
                            "%s wants an address that begins with one of %s, "
                            "without a password",
                            option, schemes);
    return true;
}

static bool check(struct settings *settings, bool agents_given, struct fail *why)
{
    if (!agents_given) {
        settings->agents = settings->http;
        settings->agents.port = settings->http.port + 1;
    }
    if (settings->agents.port > 65535 || settings->agents.port == settings->http.port ||
        settings->nats_port == settings->http.port || settings->nats_port == settings->agents.port)
        return fail_because(why, FAIL_INVALID,
                            "--listen, --agents and --nats-port need three "
                            "different ports");
    if (!settings->certificate != !settings->key)
        return fail_because(why, FAIL_INVALID, "--tls-cert and --tls-key belong together");
    if (settings->certificate)
        settings->tls = TLS_GIVEN;
    if (settings->name && !is_host(settings->name))
        return fail_because(why, FAIL_INVALID, "%s is no host name", settings->name);
    if (settings->nats_url && !settings->agents_url)
        return fail_because(why, FAIL_INVALID,
                            "with --nats-url, say with --agents-url where "
                            "machines are to connect");
    return check_url("--nats-url", settings->nats_url, "nats:tls:", why) &&
           check_url("--agents-url", settings->agents_url, "wss:ws:tls:nats:", why) &&
           check_url("--relay-url", settings->relay_url, "wss:ws:", why) &&
           check_url("--web-url", settings->web_url, "https:http:", why);
}

enum {
    DATA = 256,
    LISTEN,
    AGENTS,
    NAME,
    TLS,
    CERTIFICATE,
    KEY,
    NO_TLS,
    NATS_PORT,
    NATS_SERVER,
    NATS_URL,
    AGENTS_URL,
    RELAY_URL,
    WEB_URL,
    FAULT
};

static const struct option options[] = {
    {"data", required_argument, NULL, DATA},
    {"listen", required_argument, NULL, LISTEN},
    {"agents", required_argument, NULL, AGENTS},
    {"name", required_argument, NULL, NAME},
    {"tls", no_argument, NULL, TLS},
    {"tls-cert", required_argument, NULL, CERTIFICATE},
    {"tls-key", required_argument, NULL, KEY},
    {"no-tls", no_argument, NULL, NO_TLS},
    {"nats-port", required_argument, NULL, NATS_PORT},
    {"nats-server", required_argument, NULL, NATS_SERVER},
    {"nats-url", required_argument, NULL, NATS_URL},
    {"agents-url", required_argument, NULL, AGENTS_URL},
    {"relay-url", required_argument, NULL, RELAY_URL},
    {"web-url", required_argument, NULL, WEB_URL},
    {"fault", required_argument, NULL, FAULT}, // for tests: docs/hub.md, not in the help
    {0},
};

bool settings_parse(int argc, char **argv, struct settings *settings, struct fail *why)
{
    bool agents_given = false;
    *settings = (struct settings){.http = {"127.0.0.1", 8000}, .nats_port = 4222};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        bool good = true;
        switch (option) {
        case DATA:
            settings->data = optarg;
            break;
        case LISTEN:
            good = listen_at_parse(optarg, &settings->http, why);
            break;
        case AGENTS:
            good = agents_given = listen_at_parse(optarg, &settings->agents, why);
            break;
        case NAME:
            settings->name = optarg;
            break;
        case TLS:
            settings->tls = TLS_PRIVATE_CA;
            break;
        case NO_TLS:
            settings->tls = TLS_NONE;
            break;
        case CERTIFICATE:
            settings->certificate = optarg;
            break;
        case KEY:
            settings->key = optarg;
            break;
        case NATS_PORT:
            good = parse_port(optarg, &settings->nats_port, why);
            break;
        case NATS_SERVER:
            settings->nats_server = optarg;
            break;
        case NATS_URL:
            settings->nats_url = optarg;
            break;
        case AGENTS_URL:
            settings->agents_url = optarg;
            break;
        case RELAY_URL:
            settings->relay_url = optarg;
            break;
        case WEB_URL:
            settings->web_url = optarg;
            break;
        case FAULT:
            good = faults_add(&settings->faults, optarg, why);
            break;
        default:
            if (optopt > 0 && optopt < DATA) // one letter, maybe of several in a word
                return fail_because(why, FAIL_INVALID, "unknown option -%c", optopt);
            return fail_because(why, FAIL_INVALID, "unknown or incomplete option %s",
                                argv[optind - 1]);
        }
        if (!good)
            return false;
    }
    if (optind < argc)
        return fail_because(why, FAIL_INVALID, "unexpected argument %s", argv[optind]);
    return check(settings, agents_given, why);
}

// The name in the URL: the given one, else the one the client has used, else the address.
static char *host_of(const struct settings *settings, const struct listen_at *at,
                     const char *host_header)
{
    char host[256];
    snprintf(host, sizeof host, "%s", host_header);
    if (host[0] == '[') {
        memmove(host, host + 1, strlen(host));
        host[strcspn(host, "]")] = '\0';
    } else {
        host[strcspn(host, ":")] = '\0';
    }
    const char *chosen = settings->name         ? settings->name
                         : is_host(host)        ? host
                         : listen_at_is_any(at) ? "localhost"
                                                : at->address;
    return mem_printf(strchr(chosen, ':') ? "[%s]" : "%s", chosen);
}

static char *url(const struct settings *settings, const struct listen_at *at,
                 const char *host_header, const char *path)
{
    char *host = host_of(settings, at, host_header);
    char *text =
        mem_printf("%s://%s:%d%s", settings_has_tls(settings) ? "wss" : "ws", host, at->port, path);
    mem_free(host);
    return text;
}

char *settings_web_url(const struct settings *settings, const char *host_header)
{
    if (settings->web_url) {
        size_t size = strlen(settings->web_url);
        while (settings->web_url[size - 1] == '/')
            size--;
        return mem_printf("%.*s", (int)size, settings->web_url);
    }
    char *host = host_of(settings, &settings->http, host_header);
    char *text = mem_printf("%s://%s:%d", settings_has_tls(settings) ? "https" : "http", host,
                            settings->http.port);
    mem_free(host);
    return text;
}

char *settings_agents_url(const struct settings *settings, const char *host_header)
{
    if (settings->agents_url)
        return mem_string(settings->agents_url);
    return url(settings, &settings->agents, host_header, "");
}

char *settings_relay_url(const struct settings *settings, const char *host_header)
{
    if (settings->relay_url)
        return mem_string(settings->relay_url);
    return url(settings, &settings->http, host_header, "/stream");
}
