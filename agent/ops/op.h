// One operation: a decoded request in, a response out, run top to bottom on a worker.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "proto/encode.h"
#include "proto/opengeni_agent.pb-c.h"

struct arena;
struct cancel;
struct desktop;
struct desktop_seat;

// What operations know of the process they run in. Made once at start, never changed afterwards.
struct op_host {
    const char *workspace_root;  // absolute; relative paths of requests start here
    const char *home;            // NULL when there is none
    const char *shell;           // of exec with shell=true: a POSIX shell
    char *const *environment;    // of children, scrubbed
    bool kill_background_jobs;   // agent.ini: background_jobs = kill
    struct metrics *metrics;     // host/metrics.h
    struct terminals *terminals; // ops/terminals.h; NULL: none are possible
    struct desktop *desktop;     // desktop_client/desktop.h; NULL: the owner wants none
    struct views *views;         // ops/views.h; NULL: no live view is possible
    bool scale_pointer;          // agent.ini: scale_pointer, see ops/desktop.h
};

struct op {
    const struct op_host *host;
    struct arena *arena;       // all memory of the request and of its response
    struct cancel *cancel;     // fires when the operation has to stop
    size_t reply_max;          // bytes that the encoded ControlResponse may have
    size_t id_size;            // of these, the request id takes this many, with its tag and length
    bool legacy;               // it came in on the address of older control planes
    bool screen_control;       // the owner has consented to keyboard and mouse
    struct desktop_seat *seat; // of the link (ops/desktop.h); NULL: it has none
    struct encode_place
        place;           // set by an operation whose reply is written around its largest field
    struct relay *relay; // of the link the request came in on (relay/relay.h); NULL: none
};

// Fills response->result_case and its member and returns true, or returns false with *why.
// What the response points to lives in op->arena or for ever.
typedef bool (*op_run)(struct op *op, const Og__ControlRequest *request,
                       Og__ControlResponse *response, struct fail *why);

bool op_exec(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_git(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_fs_read(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_fs_write(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_fs_list(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_fs_mkdir(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_fs_move(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_fs_stat(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_fs_remove(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_pty_open(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_pty_write(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_pty_resize(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_pty_close(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
bool op_desktop_ensure(struct op *, const Og__ControlRequest *, Og__ControlResponse *,
                       struct fail *);
bool op_desktop_input(struct op *, const Og__ControlRequest *, Og__ControlResponse *,
                      struct fail *);
bool op_desktop_screenshot(struct op *, const Og__ControlRequest *, Og__ControlResponse *,
                           struct fail *);
bool op_metrics(struct op *, const Og__ControlRequest *, Og__ControlResponse *, struct fail *);
