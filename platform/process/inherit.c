#include "process/inherit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"

static struct inherit inherit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// Descriptors 0 to 2 have to be taken, or a pipe could get such a number and be lost when a child's
// own are put there.
static void occupy_stdio(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    io_close(&fd);
}

static uint64_t ignored_signals(void)
{
    uint64_t ignored = 1ull << (SIGPIPE - 1);
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action;
        if (sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            ignored |= 1ull << (signal - 1);
    }
    return ignored;
}

// When memory runs out the kernel shall take a child before the agent, but prefer it no more than
// necessary: a protected agent (score below 0) has ordinary children, any other one children just
// one above itself.
static void choose_oom_score(char out[static 8])
{
    struct buffer text;
    buffer_init(&text, PROC_LINE_BYTES_MAX);
    if (io_read_file(AT_FDCWD, "/proc/self/oom_score_adj", &text) && text.size > 0) {
        char *end;
        long own = strtol(text.data, &end, 10);
        bool sane = end != text.data && own >= -1000 && own <= 1000; // proc(5)
        if (sane && own < 1000)
            snprintf(out, 8, "%ld", own < 0 ? 0 : own + 1);
        if (!sane)
            log_warn("out-of-memory score not understood", NULL);
    }
    buffer_fini(&text);
}

static void record(void)
{
    occupy_stdio();
    // Started with SIGCHLD ignored, we would never learn how a child ended (wait(2)).
    signal(SIGCHLD, SIG_DFL);
    inherit.ignored = ignored_signals();
    if (getrlimit(RLIMIT_NOFILE, &inherit.files) != 0)
        inherit.files = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    choose_oom_score(inherit.oom_score_adj);
    inherit.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

const struct inherit *inherit_get(void)
{
    pthread_once(&once, record);
    return &inherit;
}

void inherit_raise_files(void)
{
    struct rlimit files = inherit_get()->files;
    if (files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    inherit.files_raised = setrlimit(RLIMIT_NOFILE, &files) == 0;
}
