#include "xvfb.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 48, TRIES_MAX = 20 };

void sleep_ms(int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000l};
    nanosleep(&time, NULL);
}

static void die(const char *what)
{
    perror(what);
    abort();
}

static void put16(FILE *file, unsigned value)
{
    fputc((int)(value >> 8), file);
    fputc((int)(value & 255), file);
}

static void put_text(FILE *file, const char *text, size_t size)
{
    put16(file, (unsigned)size);
    fwrite(text, 1, size, file);
}

// Good for any display: family "wild", no number.
static void write_cookie(const char *path)
{
    char bytes[16];
    FILE *random = fopen("/dev/urandom", "r"), *file = fopen(path, "w");
    if (!random || !file || fread(bytes, 1, sizeof bytes, random) != sizeof bytes)
        die(path);
    put16(file, 65535);
    put_text(file, "", 0);
    put_text(file, "", 0);
    put_text(file, "MIT-MAGIC-COOKIE-1", 18);
    put_text(file, bytes, sizeof bytes);
    fclose(random);
    fclose(file);
    chmod(path, 0600);
}

static pid_t start_child(char *const *arguments, const char *display, const char *cookie, int out)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (display) {
        setenv("DISPLAY", display, 1);
        setenv("XAUTHORITY", cookie[0] ? cookie : "/nonexistent", 1);
    }
    int null_fd = open("/dev/null", O_RDWR);
    dup2(out >= 0 ? out : null_fd, STDOUT_FILENO);
    if (!getenv("XVFB_SHOW_ERRORS"))
        dup2(null_fd, STDERR_FILENO);
    execvp(arguments[0], arguments);
    _exit(127);
}

// False when it has ended at once: somebody has that number.
static bool start_server(struct xvfb *xvfb, const char *screen, char *const *options)
{
    int ready[2];
    char fd[16];
    if (pipe(ready) != 0)
        die("pipe");
    snprintf(fd, sizeof fd, "%d", ready[1]);
    fcntl(ready[0], F_SETFD, FD_CLOEXEC);
    // By chance, not the lowest that is free: while it is down, no other test gets its number.
    unsigned short chance;
    char name[16];
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        die("getrandom");
    snprintf(name, sizeof name, ":%u", 100u + chance % 9900u);
    char *arguments[ARGUMENTS_MAX] = {"Xvfb", name,           "-displayfd", fd,          "-screen",
                                      "0",    (char *)screen, "-noreset",   "-nolisten", "tcp"};
    int count = 10;
    if (xvfb->cookie[0]) {
        arguments[count++] = "-auth";
        arguments[count++] = xvfb->cookie;
    }
    while (options && *options && count < ARGUMENTS_MAX - 1)
        arguments[count++] = *options++;
    xvfb->pid = start_child(arguments, NULL, NULL, -1);
    close(ready[1]);
    char number[8] = "";
    size_t size = 0;
    for (ssize_t n; size < sizeof number - 1 && (n = read(ready[0], number + size, 1)) > 0; size++)
        if (number[size] == '\n')
            break;
    number[size] = '\0';
    close(ready[0]);
    if (size == 0)
        waitpid(xvfb->pid, NULL, 0);
    snprintf(xvfb->display, sizeof xvfb->display, ":%s", number);
    return size > 0;
}

bool xvfb_start(struct xvfb *xvfb, const char *screen, bool with_cookie, char *const *options)
{
    memset(xvfb, 0, sizeof *xvfb);
    if (access("/usr/bin/Xvfb", X_OK) != 0)
        return false;
    snprintf(xvfb->directory, sizeof xvfb->directory, "/tmp/og-xvfb-XXXXXX");
    if (!mkdtemp(xvfb->directory))
        die("mkdtemp");
    if (with_cookie) {
        snprintf(xvfb->cookie, sizeof xvfb->cookie, "%s/cookie", xvfb->directory);
        write_cookie(xvfb->cookie);
    }
    for (int tries = 0; !start_server(xvfb, screen, options); tries++)
        if (tries == TRIES_MAX)
            die("Xvfb does not start");
    return true;
}

void xvfb_freeze(const struct xvfb *xvfb)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)xvfb->pid);
    kill(xvfb->pid, SIGSTOP);
    for (const char *state = NULL; !state || state[2] != 'T'; sleep_ms(1)) {
        FILE *file = fopen(path, "r");
        if (!file)
            die(path);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        state = strrchr(text, ')'); // ") T PPID ..."
    }
}

void xvfb_stop(struct xvfb *xvfb)
{
    if (xvfb->pid > 0) {
        kill(xvfb->pid, SIGCONT);
        kill(xvfb->pid, SIGTERM);
        waitpid(xvfb->pid, NULL, 0);
    }
    xvfb->pid = 0;
    if (xvfb->cookie[0])
        unlink(xvfb->cookie);
    rmdir(xvfb->directory);
}

pid_t xvfb_run(const struct xvfb *xvfb, char *const *arguments)
{
    return start_child(arguments, xvfb->display, xvfb->cookie, -1);
}

size_t xvfb_output(const struct xvfb *xvfb, char *const *arguments, char *out, size_t room)
{
    int ends[2];
    if (pipe(ends) != 0)
        die("pipe");
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid_t pid = start_child(arguments, xvfb->display, xvfb->cookie, ends[1]);
    close(ends[1]);
    size_t size = 0;
    for (ssize_t n; size < room - 1 && (n = read(ends[0], out + size, room - 1 - size)) > 0;)
        size += (size_t)n;
    close(ends[0]);
    waitpid(pid, NULL, 0);
    out[size] = '\0';
    return size;
}

static bool is_child(const char *pid, const char *name)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "r");
    if (file) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    const char *rest = strrchr(text, ')'); // ") S PPID ..."
    if (!rest || strlen(rest) < 5 || strtol(rest + 4, NULL, 10) != getpid())
        return false;
    snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    file = fopen(path, "r");
    if (!file)
        return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return strstr(text, name) != NULL;
}

pid_t child_named(const char *name)
{
    pid_t found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && !found && (entry = readdir(proc));)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_child(entry->d_name, name))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    if (proc)
        closedir(proc);
    return found;
}
