#include "cli/live.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "config/config_dir.h"
#include "config/instance_lock.h"

bool live_read(const struct secure_dir *config, struct live *live, struct fail *why)
{
    *live = (struct live){0};
    arena_init(&live->arena, STATUS_BYTES_MAX);
    enum instance_lock lock = instance_lock_probe(config, &live->pid, why);
    live->running = lock == LOCK_HELD;
    // Only the holder of the lock speaks for now: a file that was left behind does not.
    live->reports = live->running && status_file_read(config, &live->arena, &live->status, NULL) &&
                    live->status.pid == live->pid;
    if (!live->reports)
        live->status = (struct status){0};
    return lock != LOCK_FAILED;
}

static bool read_proc(pid_t pid, const char *name, struct buffer *text)
{
    char *path = mem_printf("/proc/%d/%s", (int)pid, name);
    buffer_init(text, LIVE_PROC_BYTES_MAX);
    bool read = io_read_file(AT_FDCWD, path, text) && text->data;
    mem_free(path);
    return read;
}

bool live_is_daemon(pid_t pid)
{
    struct buffer name;
    bool is = read_proc(pid, "comm", &name) && strcmp(name.data, "opengeni-agentd\n") == 0;
    buffer_fini(&name);
    return is;
}

// A mask of /proc/PID/status, proc(5); 0 when there is none.
static unsigned long long signal_mask(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

// SIGUSR2 ends a process that does not expect it, as older builds do not.
static bool expects_question(pid_t pid)
{
    struct buffer status;
    unsigned long long expected = 0;
    if (read_proc(pid, "status", &status))
        expected =
            signal_mask(status.data, "\nSigBlk:\t") | signal_mask(status.data, "\nSigCgt:\t");
    buffer_fini(&status);
    return live_is_daemon(pid) && (expected >> (SIGUSR2 - 1) & 1);
}

// Each status file is a new one, so that its inode tells it from the one before.
static struct stat file_state(const struct secure_dir *config)
{
    struct stat st = {0};
    if (fstatat(config->fd, CONFIG_STATUS, &st, AT_SYMLINK_NOFOLLOW) != 0)
        st.st_ino = 0;
    return st;
}

static bool is_new(const struct stat *before, const struct stat *now)
{
    return now->st_ino != 0 &&
           (now->st_ino != before->st_ino || now->st_mtim.tv_sec != before->st_mtim.tv_sec ||
            now->st_mtim.tv_nsec != before->st_mtim.tv_nsec);
}

static bool ask(const struct secure_dir *config, pid_t pid)
{
    // The descriptor names this process for good; its number may come to be another's.
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    struct stat before = file_state(config), now = before;
    bool asked = process >= 0 && expects_question(pid) &&
                 syscall(SYS_pidfd_send_signal, process, SIGUSR2, NULL, 0) == 0;
    int64_t until = clock_mono_ms() + STATUS_ASK_MS;
    while (asked && !is_new(&before, &now) && clock_mono_ms() < until) {
        clock_sleep_ms(STATUS_ASK_LOOK_MS);
        now = file_state(config);
    }
    io_close(&process);
    return is_new(&before, &now);
}

void live_refresh(const struct secure_dir *config, struct live *live)
{
    struct live fresh;
    if (!live->running || live->pid <= 0 || !ask(config, live->pid))
        return;
    if (!live_read(config, &fresh, NULL)) {
        live_fini(&fresh);
        return;
    }
    live_fini(live);
    *live = fresh;
}

void live_fini(struct live *live)
{
    arena_fini(&live->arena);
    *live = (struct live){0};
}
