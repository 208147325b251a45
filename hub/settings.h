// How a hub is to serve, as its command line says.
#pragma once

#include <stdbool.h>

struct fail;

struct listen_at {
    char address[64]; // "" stands for all addresses
    int port;
};

bool listen_at_is_any(const struct listen_at *at); // all addresses, of one family or both

enum settings_tls { TLS_BY_ADDRESS, TLS_PRIVATE_CA, TLS_GIVEN, TLS_NONE };

struct faults;

struct settings {
    const char *data;        // NULL: the default
    struct listen_at http;   // HTTP API and relay
    struct listen_at agents; // the machines' WebSocket listener of nats-server
    int nats_port;           // of nats-server on 127.0.0.1
    const char *nats_server; // program; NULL: searched
    const char *nats_url;    // a server that is there already; NULL: start our own
    const char *name;        // host name or address under which machines reach the hub; may be NULL
    const char *web_url;     // where people reach the pages; NULL: what follows
    const char *agents_url, *relay_url; // given to machines instead of what follows from the above
    enum settings_tls tls;
    const char *certificate, *key;
    struct faults *faults; // to be freed with faults_free; NULL: none, as it should be
};

// Fills in defaults and checks what belongs together; false with a text for a person.
bool settings_parse(int argc, char **argv, struct settings *settings, struct fail *why)
    __attribute__((warn_unused_result));

// Whether strangers could listen in on a plain connection to it.
bool settings_is_public(const struct settings *settings);
bool settings_has_tls(const struct settings *settings);

extern const char settings_help[];

// The URLs that a machine is given. host_header: under which name it has reached us; may be "".
// Freed with mem_free.
char *settings_web_url(const struct settings *settings, const char *host_header); // people
char *settings_agents_url(const struct settings *settings, const char *host_header);
char *settings_relay_url(const struct settings *settings, const char *host_header);
