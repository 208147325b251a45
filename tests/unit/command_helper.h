// Runs commands for the tests of the process folder.
#pragma once

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "check_main.h"
#include "process/command.h"
#include "process/environment.h"
#include "process/inherit.h"

extern char **environ;

// A command in the making, with all that it points to.
struct trial {
    struct arena arena;
    struct command command;
    struct command_result result;
};

static inline void trial_init(struct trial *trial, char *const *argv)
{
    signal(SIGPIPE, SIG_IGN);
    (void)inherit_get(); // takes a descriptor for good
    arena_init(&trial->arena, 4 << 20);
    trial->command = (struct command){
        .setup.program = argv[0],
        .setup.argv = argv,
        .setup.script = -1,
        .setup.search = environment_get(environ, "PATH"),
        .cancel_fd = -1,
        .output_max = 8 << 20,
    };
    ck_assert(
        environment_overlay(&trial->arena, environ, NULL, 0, &trial->command.setup.envp, NULL));
}

static inline void trial_run(struct trial *trial)
{
    struct fail why = {0};
    bool ran = command_run(&trial->command, &trial->result, &why);
    char text[FAIL_TEXT_BYTES];
    ck_assert_msg(ran, "%s", ran ? "" : fail_text(&why, text, sizeof text));
}

static inline void trial_fini(struct trial *trial)
{
    command_result_fini(&trial->result);
    arena_fini(&trial->arena);
}

#define TRIAL_SHELL(name, text)                                    \
    char *name##_argv[] = {"/bin/sh", "-c", (char *)(text), NULL}; \
    struct trial name;                                             \
    trial_init(&name, name##_argv)

static inline const char *out_text(const struct trial *trial)
{
    return trial->result.out.data ? trial->result.out.data : "";
}

static inline const char *err_text(const struct trial *trial)
{
    return trial->result.err.data ? trial->result.err.data : "";
}

static inline int open_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static inline bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static inline pid_t to_pid(const char *text)
{
    return (pid_t)strtol(text, NULL, 10);
}

// Gone, or a zombie that nobody has waited for yet.
static inline bool is_dead(pid_t pid)
{
    char path[64], stat[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return true;
    size_t n = fread(stat, 1, sizeof stat - 1, file);
    fclose(file);
    const char *state = n ? strrchr(stat, ')') : NULL;
    return !state || strchr("ZX", state[2]);
}

// No wait of a test is shorter: a machine with other work to do is slow.
enum { PATIENCE_MS = 60000 };

static inline bool dies(pid_t pid)
{
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; clock_sleep_ms(5))
        if (is_dead(pid))
            return true;
    return is_dead(pid);
}

// The number in a file that a command writes, when it has.
static inline pid_t pid_from(const char *path)
{
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; clock_sleep_ms(5)) {
        FILE *file = fopen(path, "re");
        int pid = 0, newline = 0;
        bool whole = file && fscanf(file, "%d%c", &pid, (char *)&newline) == 2 && newline == '\n';
        if (file)
            fclose(file);
        if (whole)
            return pid;
    }
    ck_abort_msg("no number in %s", path);
    return 0;
}
