// The hub's connections to nats-server, one in each account: machines, authorization, the server
// itself. One thread keeps them; whatever breaks, all are made anew.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;
struct fail;

struct bus_setup {
    const char *url;      // nats://host:port
    const char *password; // of the hub's users; NULL: the server lets everybody in
    // Somebody else's server, which may not have been told to ask the hub: it is tried before it is
    // used, each time.
    bool doubt;
    // Whether the server is there; asked before each attempt, so that the password goes to nobody
    // who has taken the port of a server that is down. NULL: always.
    bool (*ready)(void *context);
    const char *const *subjects; // what machines publish and on_message gets; closed by NULL
    // Called on threads of the bus, for one message at a time per subject.
    void (*on_message)(void *context, const char *subject, const void *data, size_t size);
    // Answers a question of the server about a connection: a text to be freed with mem_free.
    char *(*on_question)(void *context, const void *data, size_t size);
    void *context;
};

struct bus *bus_start(const struct bus_setup *setup, struct fail *why);
void bus_stop(struct bus *bus); // NULL is accepted

bool bus_up(struct bus *bus);
bool bus_wait_up(struct bus *bus, int ms); // true as soon as it is up
uint64_t bus_connects(struct bus *bus);
bool bus_is_open_to_all(struct bus *bus); // doubt was right, at the last attempt
void bus_last_error(struct bus *bus, char *text, size_t room);

// Ends the connections of a machine that were begun before a moment (cut.h), at once and those that
// are just being made. Returns before it is done.
void bus_cut(struct bus *bus, const char *machine, int64_t before_ns);
