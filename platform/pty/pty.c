#include "pty/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/workers.h"
#include "process/spawn.h"

// --- the pseudo-terminal

static bool open_pair(int *master, int *slave, struct fail *why)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    *slave = -1;
    if (*master >= 0 && grantpt(*master) == 0 && unlockpt(*master) == 0)
        *slave = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC); // ioctl_tty(2)
    if (*slave >= 0)
        return true;
    fail_errno(why, errno, "pseudo-terminal", NULL);
    io_close(master);
    return false;
}

static bool set_up(int slave, const struct pty_setup *setup, struct fail *why)
{
    struct termios modes;
    struct winsize size = {.ws_col = setup->cols, .ws_row = setup->rows};
    if (tcgetattr(slave, &modes) == 0) {
        modes.c_iflag |= IUTF8; // erasing takes a whole character
        if (tcsetattr(slave, TCSANOW, &modes) == 0 && ioctl(slave, TIOCSWINSZ, &size) == 0)
            return true;
    }
    return fail_errno(why, errno, "pseudo-terminal", NULL);
}

// --- the program

static bool start_on(struct pty *pty, int slave, const struct pty_setup *setup, struct fail *why)
{
    struct spawn spawn = {
        .program = setup->program,
        .search = setup->search,
        .argv = setup->argv,
        .cwd = setup->cwd,
        .stdio = {slave, slave, slave},
        .keep = -1,
        .terminal = true,
    };
    return child_spawn(&pty->child, &spawn, setup->envp, why);
}

static bool start(struct pty *pty, const struct pty_setup *setup, struct fail *why)
{
    int slave;
    *pty = (struct pty){
        .master = -1, .child = {.pidfd = -1, .input = -1, .output = -1, .errors = -1, .slot = -1}};
    if (!open_pair(&pty->master, &slave, why))
        return false;
    bool started = set_up(slave, setup, why) && start_on(pty, slave, setup, why);
    io_close(&slave);
    if (!started)
        io_close(&pty->master);
    return started;
}

// A child dies with the thread that started it. So all are started by one that never ends, which
// may wait for slow file systems, unlike the thread that serves the terminals.
static struct workers *starter;

static void make_starter(void)
{
    starter = workers_new(1);
}

struct job {
    struct pty *pty;
    const struct pty_setup *setup;
    struct fail *why;
    bool started;
    sem_t done;
};

static void run_job(void *job_)
{
    struct job *job = job_;
    job->started = start(job->pty, job->setup, job->why);
    sem_post(&job->done);
}

bool pty_start(struct pty *pty, const struct pty_setup *setup, struct fail *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct job job = {.pty = pty, .setup = setup, .why = why};
    pthread_once(&once, make_starter);
    sem_init(&job.done, 0, 0);
    bool submitted = workers_submit(starter, run_job, &job);
    while (submitted && sem_wait(&job.done) != 0)
        ;
    sem_destroy(&job.done);
    return submitted ? job.started : fail_errno(why, EAGAIN, "pseudo-terminal", NULL);
}

// --- while it runs

bool pty_resize(const struct pty *pty, unsigned short cols, unsigned short rows, struct fail *why)
{
    struct winsize size;
    if (ioctl(pty->master, TIOCGWINSZ, &size) == 0) {
        size.ws_col = cols ? cols : size.ws_col;
        size.ws_row = rows ? rows : size.ws_row;
        if (ioctl(pty->master, TIOCSWINSZ, &size) == 0)
            return true;
    }
    return fail_errno(why, errno, "resize", NULL);
}

void pty_hang_up(const struct pty *pty)
{
    pid_t foreground = tcgetpgrp(pty->master), leader = pty->child.tree.leader;
    static const int signals[] = {SIGHUP, SIGCONT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        kill(-leader, signals[i]); // the leader is not waited for yet: nobody else has its id
        if (foreground > 1 && foreground != leader)
            kill(-foreground, signals[i]);
    }
}

bool pty_ended(const struct pty *pty, int *code)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PIDFD, (id_t)pty->child.pidfd, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == 0)
        return false;
    *code = info.si_code == CLD_EXITED ? info.si_status : 1;
    return true;
}

void pty_kill(const struct pty *pty)
{
    tree_kill(&pty->child.tree, 1, KILL_TREE_MS);
}

void pty_end(struct pty *pty)
{
    io_close(&pty->master);
    (void)child_end(&pty->child);
}
