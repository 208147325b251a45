// Terminals as an operation sees them, at a relay of the test's own.
#pragma once

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "check_main.h"
#include "fake_relay.h"
#include "ops/op.h"
#include "ops/terminals.h"
#include "process/environment.h"
#include "process/inherit.h"
#include "relay/relay.h"
#include "relay/stream.h"
#include "scratch.h"

#define WORKSPACE "8e0f7d1c-workspace"
#define AGENT     "agent-1"

struct rig {
    struct fake_relay relay;
    struct relay *link;
    struct op_host host;
    char **environment;
    char url[64], home[128];
    int64_t patience_ms, silence_ms, refused_ms; // 0: the agent's own
};

static struct rig rig;
extern char **environ;

static inline void rig_set_url(const char *url, const char *token)
{
    struct relay_settings settings = {.workspace_id = WORKSPACE,
                                      .agent_id = AGENT,
                                      .url = url,
                                      .token = token,
                                      .first_ms = rig.patience_ms,
                                      .silence_ms = rig.silence_ms,
                                      .refused_ms = rig.refused_ms};
    if (rig.link)
        relay_change(rig.link, &settings);
    else
        rig.link = relay_new(&settings);
}

static inline void rig_setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    inherit_get();
    scratch_setup();
    snprintf(rig.home, sizeof rig.home, "%s/home", scratch);
    mkdir(rig.home, 0755);
    setenv("HOME", rig.home, 1); // no start-up files of whoever runs the test
    setenv("SHELL", "/bin/bash", 1);
    setenv("PS1", "$ ", 1);
    setenv("OPENGENI_ENROLL_TOKEN", "secret", 1);
    relay_start(&rig.relay);
    snprintf(rig.url, sizeof rig.url, "ws://127.0.0.1:%u/stream", rig.relay.port);
    rig_set_url(rig.url, "ogr_token");
    rig.environment = environment_base(environ);
    rig.host = (struct op_host){.workspace_root = scratch,
                                .home = rig.home,
                                .environment = rig.environment,
                                .terminals = terminals_new(0, 0)};
}

static inline void rig_teardown(void)
{
    ck_assert(terminals_shut_down(rig.host.terminals, 60000));
    terminals_free(rig.host.terminals);
    stream_stop();
    relay_unref(rig.link);
    relay_stop(&rig.relay);
    environment_free(rig.environment);
    scratch_teardown();
    ck_assert_int_lt(waitpid(-1, NULL, WNOHANG), 0); // no child is left, not even a dead one
}

// What an operation brought: a copy, or the failure.
struct outcome {
    bool good;
    struct fail why;
    char id[TERMINAL_ID_BYTES];
    int exit_code;
    uint64_t written;
};

static inline struct outcome rig_run(op_run operation, Og__ControlRequest__OpCase which,
                                     void *message, struct relay *link, struct cancel *cancel)
{
    struct outcome outcome = {0};
    struct arena arena;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    struct cancel *own = cancel ? NULL : cancel_new();
    arena_init(&arena, 1 << 20);
    request.op_case = which;
    request.pty_open = message;
    struct op op = {.host = &rig.host,
                    .arena = &arena,
                    .cancel = cancel ? cancel : own,
                    .reply_max = 1 << 20,
                    .relay = link};
    outcome.good = operation(&op, &request, &response, &outcome.why);
    if (outcome.good && response.result_case == OG__CONTROL_RESPONSE__RESULT_PTY_OPEN) {
        const Og__StreamChannel *channel = response.pty_open->channel;
        snprintf(outcome.id, sizeof outcome.id, "%s", response.pty_open->pty_id);
        ck_assert_str_eq(channel->channel_id, outcome.id);
        ck_assert_str_eq(channel->workspace_id, relay_workspace_id(link));
        ck_assert_str_eq(channel->agent_id, relay_agent_id(link));
        ck_assert_int_eq(channel->kind, OG__STREAM_KIND__STREAM_KIND_PTY);
        ck_assert_uint_eq(channel->port, 7681);
    }
    if (outcome.good && response.result_case == OG__CONTROL_RESPONSE__RESULT_PTY_CLOSE)
        outcome.exit_code = response.pty_close->exit_code;
    if (outcome.good && response.result_case == OG__CONTROL_RESPONSE__RESULT_PTY_WRITE)
        outcome.written = response.pty_write->bytes_written;
    arena_fini(&arena);
    cancel_unref(own);
    return outcome;
}

static inline struct outcome rig_open(Og__PtyOpenRequest in)
{
    Og__PtyOpenRequest empty = OG__PTY_OPEN_REQUEST__INIT;
    in.base = empty.base;
    in.cwd = in.cwd ? in.cwd : "";
    in.term = in.term ? in.term : "";
    in.scope_id = in.scope_id ? in.scope_id : "";
    return rig_run(op_pty_open, OG__CONTROL_REQUEST__OP_PTY_OPEN, &in, rig.link, NULL);
}

#define OPEN(...) rig_open((Og__PtyOpenRequest){__VA_ARGS__})
#define COMMAND(...)                    \
    .command = (char *[]){__VA_ARGS__}, \
    .n_command = sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)

// One that must succeed; its id, in one of eight rooms that take turns.
#define OPENED(...) rig_opened((Og__PtyOpenRequest){__VA_ARGS__})
static inline const char *rig_opened(Og__PtyOpenRequest in)
{
    static char ids[8][TERMINAL_ID_BYTES];
    static unsigned turn;
    struct outcome outcome = rig_open(in);
    ck_assert_msg(outcome.good, "%s", outcome.why.what);
    return memcpy(ids[turn++ % 8], outcome.id, TERMINAL_ID_BYTES);
}

static inline struct outcome rig_write(const char *id, const void *data, size_t size)
{
    Og__PtyWriteRequest in = OG__PTY_WRITE_REQUEST__INIT;
    in.pty_id = (char *)id;
    in.data = (ProtobufCBinaryData){size, (uint8_t *)data};
    return rig_run(op_pty_write, OG__CONTROL_REQUEST__OP_PTY_WRITE, &in, rig.link, NULL);
}

static inline struct outcome rig_resize(const char *id, unsigned cols, unsigned rows)
{
    Og__PtyResizeRequest in = OG__PTY_RESIZE_REQUEST__INIT;
    in.pty_id = (char *)id;
    in.cols = cols;
    in.rows = rows;
    return rig_run(op_pty_resize, OG__CONTROL_REQUEST__OP_PTY_RESIZE, &in, rig.link, NULL);
}

static inline struct outcome rig_close(const char *id)
{
    Og__PtyCloseRequest in = OG__PTY_CLOSE_REQUEST__INIT;
    in.pty_id = (char *)id;
    return rig_run(op_pty_close, OG__CONTROL_REQUEST__OP_PTY_CLOSE, &in, rig.link, NULL);
}

#define SEES(id, expected)                                                                    \
    ck_assert_msg(relay_wait_text(&rig.relay, id, expected), "no \"%s\" in \"%s\"", expected, \
                  relay_look(&rig.relay, id)->text.data)

static inline void types(const char *id, const char *text)
{
    ck_assert(relay_type(&rig.relay, id, text));
}

// Until no terminal is open.
static inline bool rig_wait_none(void)
{
    for (int i = 0; i < 3000 && terminals_count(rig.host.terminals) > 0; i++)
        clock_sleep_ms(20);
    return terminals_count(rig.host.terminals) == 0;
}

// An argument for sleep that no other process on the machine has: other tests may run beside. In
// one of eight rooms that take turns.
static inline char *mark(const char *number)
{
    static _Thread_local char texts[8][32];
    static _Thread_local unsigned turn;
    char *text = texts[turn++ % 8];
    snprintf(text, sizeof texts[0], "70.%s%d", number, (int)getpid());
    return text;
}

// Processes whose command line holds the text.
static inline size_t rig_processes(const char *text)
{
    size_t n = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(proc));) {
        char path[64], line[4096];
        snprintf(path, sizeof path, "/proc/%.20s/cmdline", entry->d_name);
        FILE *file = fopen(path, "r");
        size_t size = file ? fread(line, 1, sizeof line, file) : 0;
        if (file)
            fclose(file);
        n += size > 0 && memmem(line, size, text, strlen(text)) != NULL;
    }
    closedir(proc);
    return n;
}

static inline bool rig_wait_processes(const char *text, size_t wanted)
{
    for (int i = 0; i < 3000 && rig_processes(text) != wanted; i++)
        clock_sleep_ms(20);
    return rig_processes(text) == wanted;
}

static inline int rig_run_suite(const char *name, void (*add)(TCase *))
{
    TCase *all = tcase_create(name);
    tcase_set_timeout(all, 300);
    tcase_add_checked_fixture(all, rig_setup, rig_teardown);
    add(all);
    return check_run_case(name, all);
}
