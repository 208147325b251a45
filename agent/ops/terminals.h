// The terminals of the process: which there are, who may address them, and how many there may be.
// Each lives on the stream thread, as long as its program, whatever becomes of links, relays and
// viewers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

struct cancel;
struct pty_setup;
struct relay;
struct terminal;
struct terminals;

enum { TERMINAL_ID_BYTES = 3 + 32 + 1 }; // "ch-" and 32 hexadecimal digits

// rate: bytes of output a second and terminal, 0 for no limit (PUMP_RATE_BYTES is what relays
// take). unused_ms: until one that nobody ever used ends; 0: TERMINAL_UNUSED_MS.
struct terminals *terminals_new(int64_t rate, int64_t unused_ms);

// Ends all of them: says goodbye to the relays, hangs up, kills what stays. Waits until they are
// gone, patience_ms at most; true when they are. Nothing may be opened or asked any more.
bool terminals_shut_down(struct terminals *terminals, int64_t patience_ms);
void terminals_free(struct terminals *terminals); // after that; NULL is accepted

// The link of this relay has gone for good, and its terminals with it. Does not wait.
void terminals_leave(struct terminals *terminals, struct relay *relay);

size_t terminals_count(struct terminals *terminals); // does not wait

// Takes a place. scope: "" for none. With a scope that has a terminal already (or is about to have
// one) *existing is set, and *id is all there is to know: it has been registered again where
// possible. Otherwise *out is to be started or abandoned. FAIL_BUSY when there are too many.
bool terminals_claim(struct terminals *terminals, struct relay *relay, const char *scope,
                     struct cancel *cancel, struct terminal **out, bool *existing,
                     char id[TERMINAL_ID_BYTES], struct fail *why)
    __attribute__((warn_unused_result));

// Registers the channel. FAIL_STREAM or FAIL_STREAM_DOWN.
bool terminal_register(struct terminal *terminal, struct cancel *cancel, struct fail *why)
    __attribute__((warn_unused_result));

// Starts the program and waits a moment for its first output. Takes the terminal: in any case it is
// no longer the caller's.
bool terminal_start(struct terminal *terminal, const struct pty_setup *setup, struct cancel *cancel,
                    struct fail *why) __attribute__((warn_unused_result));

// Gives the place back; others who wait for the scope fail with the same reason.
void terminal_abandon(struct terminal *terminal, const struct fail *why);

// All fail with FAIL_MISSING for an id that is unknown, or another link's.
bool terminal_write(struct terminals *terminals, struct relay *relay, const char *id,
                    const void *data, size_t size, struct fail *why)
    __attribute__((warn_unused_result)); // FAIL_BUSY: too much waits already
bool terminal_resize(struct terminals *terminals, struct relay *relay, const char *id,
                     unsigned short cols, unsigned short rows, struct fail *why)
    __attribute__((warn_unused_result)); // 0 keeps what is
bool terminal_close(struct terminals *terminals, struct relay *relay, const char *id,
                    int *exit_code, struct fail *why)
    __attribute__((warn_unused_result)); // exit code -1: it was still running
