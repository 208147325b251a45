// One terminal: a program on a pseudo-terminal, the pump and the channel. Its own functions are for
// the stream thread.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/fail.h"
#include "base/limits.h"
#include "ops/lingering.h"
#include "ops/terminals.h"
#include "pty/pty.h"
#include "relay/channel.h"
#include "relay/pump.h"

struct terminals {
    int64_t rate, unused_ms;
    struct cancel *all_gone; // fires when the last one has gone after the order to stop

    // of the stream thread
    struct terminal *first; // those that can be addressed, the oldest last
    atomic_size_t count;    // of these; others may read it
    size_t alive;           // all that have not been freed
    struct {
        char id[TERMINAL_ID_BYTES];
        int exit_code;
        bool asked;                // somebody knows already
    } ended[TERMINALS_ENDED_KEPT]; // the latest, around
    size_t ended_next;
    struct lingerings lingering;
    bool stopping;
    int64_t stopping_ms;       // since when
    struct stream_timer timer; // while stopping: looks whether all have gone
};

enum terminal_state {
    TERMINAL_OPENING,
    TERMINAL_RUNNING,
    TERMINAL_ENDING, // not to be found any more
};

// What an operation may wait for.
enum terminal_news {
    NEWS_REGISTERED = 1, // the relay has answered, or none will
    NEWS_SETTLED = 2,    // it runs, or never will
    NEWS_SHOWN = 4,      // the first output has gone out, or the end has come
    NEWS_LIVE = 8,       // it is registered at this moment
};

// One operation that waits, on its own stack.
struct terminal_wait {
    struct terminal_wait *next;
    enum terminal_news news;
    struct cancel *moment; // fires when they come
};

struct terminal {
    struct terminals *all;
    struct terminal *next, **link; // while it can be addressed
    struct relay *relay;
    char id[TERMINAL_ID_BYTES];
    char *scope;
    atomic_uint references;

    // of the stream thread
    enum terminal_state state;
    unsigned news;
    struct terminal_wait *waits;
    struct fail why; // it never ran
    bool failed;
    struct channel *channel; // NULL: never was, or has ended
    struct pump pump;
    struct pty pty; // once started
    struct watch exit;
    struct stream_timer timer;
    int64_t opened_ms;
    bool used;     // somebody has typed, or told a size
    bool seen;     // somebody is there, or was
    bool attached; // the pty is there
    bool hung_up;  // by us: it is to end
    bool exited;   // the leader has
    bool drained;  // and its output is sent
    bool killing;  // a helper thread is at it
    bool killed;
};

struct terminal *terminal_new(struct terminals *all, struct relay *relay, const char *scope);
void terminal_unref(struct terminal *terminal);
struct terminal *terminal_ref(struct terminal *terminal);

// The moment fires at once when the news have come already.
void terminal_wait_begin(struct terminal *terminal, struct terminal_wait *wait);
void terminal_wait_end(struct terminal *terminal, struct terminal_wait *wait);

void terminal_dial(struct terminal *terminal);

// pty has been started. Takes the reference of the one who opened it.
void terminal_attach(struct terminal *terminal);

// It never came to run: the place is free again.
void terminal_give_up(struct terminal *terminal, const struct fail *why);

// Ends it: SIGHUP, after a while SIGKILL. It cannot be addressed any more. With stopping the relay
// is told at once.
void terminal_hang_up(struct terminal *terminal, bool stopping);
