// Where connections wait until their first byte comes: a connection that says nothing costs a
// descriptor and an entry of a fixed table, and for a short time only. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fail;
struct porch;

struct porch_setup {
    const char *address; // IP address; "" for all, of both families
    int port;
    unsigned places;                      // how many may wait, HUB_PORCH_MAX at most
    void (*admit)(void *context, int fd); // has something to read; fd is admit's now
    void *context;
};

// Listens. FAIL_SYSTEM with a text for a person when that cannot be.
struct porch *porch_new(const struct porch_setup *setup, struct fail *why);
void porch_free(struct porch *porch); // NULL is accepted

int porch_fd(const struct porch *porch); // readable when there is something for porch_run
void porch_run(struct porch *porch, int64_t now_ms);
void porch_tick(struct porch *porch, int64_t now_ms); // ends the silent ones
