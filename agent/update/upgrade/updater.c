#include "upgrade/updater.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/limits.h"

extern char **environ;

// Ours, with the directory that this daemon serves. The texts stay ours, but the first.
static char **make_environment(const char *config_dir)
{
    static const char name[] = "OPENGENI_CONFIG_DIR=";
    size_t count = 0, kept = 1;
    while (environ[count])
        count++;
    char **made = mem_array(count + 2, sizeof *made);
    made[0] = mem_printf("%s%s", name, config_dir);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], name, sizeof name - 1) != 0)
            made[kept++] = environ[i];
    return made;
}

static bool spawn(const struct updater *updater, int out, pid_t *child)
{
    const char *words[16] = {"opengeni-agent", "update",        "--managed",
                             updater->version, "--operation",   updater->operation_id,
                             "--channel",      updater->channel};
    if (updater->ca_file) {
        words[8] = "--ca-file";
        words[9] = updater->ca_file;
    }
    char **environment = make_environment(updater->config_dir);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int error = posix_spawn(child, updater->program, &actions, &attributes, (char *const *)words,
                            environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    mem_free(environment[0]);
    mem_free(environment);
    return error == 0;
}

// Cuts "word first second" apart; what is missing is empty.
static void take_line(const struct updater *updater, char *line, char code[UPDATER_WORD_BYTES])
{
    char *fields[3];
    for (size_t i = 0; i < 3; i++) {
        fields[i] = line;
        line += strcspn(line, i < 2 ? " " : "");
        if (*line)
            *line++ = '\0';
    }
    if (strcmp(fields[0], "failed") == 0)
        snprintf(code, UPDATER_WORD_BYTES, "%s", fields[1]);
    else
        updater->line(updater->argument, fields[0], fields[1], fields[2]);
}

// Until the updater closes its output; a line longer than any of ours is cut.
static void listen_to(const struct updater *updater, int fd, char code[UPDATER_WORD_BYTES])
{
    char line[UPDATER_LINE_BYTES];
    size_t size = 0;
    for (char c;;) {
        ssize_t n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        if (c == '\n') {
            line[size] = '\0';
            take_line(updater, line, code);
            size = 0;
        } else if (size < sizeof line - 1) {
            line[size++] = c;
        }
    }
}

bool updater_run(const struct updater *updater, char code[UPDATER_WORD_BYTES])
{
    int ends[2], status = -1;
    pid_t child;
    *code = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    bool started = spawn(updater, ends[1], &child);
    io_close(&ends[1]);
    if (started) {
        atomic_store(updater->child, child);
        listen_to(updater, ends[0], code);
        atomic_store(updater->child, 0);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    }
    io_close(&ends[0]);
    return started && status == 0 && !*code;
}
