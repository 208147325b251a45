// Runs operations for the tests of the ops folder, as a worker would.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "check_main.h"
#include "ops/op.h"
#include "process/environment.h"
#include "proto/encode.h"

extern char **environ;

// One operation with a fresh workspace.
struct bench {
    char root[64], home[80];
    char **environment;
    struct op_host host;
    struct arena arena;
    struct op op;
    Og__ControlRequest request;
    Og__ControlResponse response;
    struct fail why;
};

static inline void bench_init(struct bench *bench)
{
    signal(SIGPIPE, SIG_IGN);
    snprintf(bench->root, sizeof bench->root, "/tmp/og-ops-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(bench->root));
    snprintf(bench->home, sizeof bench->home, "%s/home", bench->root);
    mkdir(bench->home, 0755);
    bench->environment = environment_base(environ);
    bench->host = (struct op_host){.workspace_root = bench->root,
                                   .home = bench->home,
                                   .shell = "/bin/sh",
                                   .environment = bench->environment};
    arena_init(&bench->arena, 64 << 20);
    bench->op = (struct op){.host = &bench->host,
                            .arena = &bench->arena,
                            .cancel = cancel_new(),
                            .reply_max = 1048576,
                            .id_size = 38};
    bench->request = (Og__ControlRequest)OG__CONTROL_REQUEST__INIT;
    bench->response = (Og__ControlResponse)OG__CONTROL_RESPONSE__INIT;
}

static inline void bench_fini(struct bench *bench)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", bench->root);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    cancel_unref(bench->op.cancel);
    environment_free(bench->environment);
    arena_fini(&bench->arena);
}

static inline void bench_check(struct bench *bench, bool done)
{
    char text[FAIL_TEXT_BYTES];
    ck_assert_msg(done, "%s", done ? "" : fail_text(&bench->why, text, sizeof text));
    ck_assert_uint_le(bench->op.id_size + encode_size(&bench->response.base), bench->op.reply_max);
}

static inline void put_text(struct bench *bench, const char *name, const char *text, mode_t mode)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", bench->root, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

#define ck_assert_bytes(binary, text)                                                     \
    do {                                                                                  \
        ck_assert_uint_eq((binary).len, strlen(text));                                    \
        ck_assert_mem_eq((binary).data ? (char *)(binary).data : "", text, strlen(text)); \
    } while (0)
