#include "process/command.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"

enum { OUT, ERR, IN, EXIT, CANCEL, FDS };

enum event { EXITED, CLOSED, CANCELLED, TIME_UP };

struct run {
    const struct command *command;
    struct command_result *result;
    struct child child;
    struct pollfd fds[FDS];
    size_t fed; // bytes of the input
    int64_t started, last_output;
};

static const int64_t never = INT64_MAX;

static void shut(struct run *run, int which)
{
    int *owner[] = {
        [OUT] = &run->child.output, [ERR] = &run->child.errors, [IN] = &run->child.input};
    io_close(owner[which]);
    run->fds[which].fd = -1;
}

// Beyond the limit output is taken and dropped: a command is not stopped for what it prints.
// On a stack of its own, which most commands never need.
static __attribute__((noinline)) ssize_t take_and_drop(int fd)
{
    char sink[EXEC_READ_BYTES];
    return read(fd, sink, sizeof sink);
}

// Small reads for the usual small output, large ones for those who print much.
static ssize_t take(struct run *run, int fd, struct buffer *into)
{
    size_t left = run->command->output_max - run->result->out.size - run->result->err.size;
    size_t want = into->size < EXEC_READ_BYTES_MIN ? EXEC_READ_BYTES_MIN : into->size;
    want = want > EXEC_READ_BYTES ? EXEC_READ_BYTES : want;
    want = want > left ? left : want;
    char *room = want > 0 ? buffer_reserve(into, want) : NULL;
    if (!room)
        return take_and_drop(fd);
    ssize_t n = read(fd, room, want);
    if (n > 0)
        buffer_commit(into, (size_t)n);
    return n;
}

static void read_output(struct run *run, int which)
{
    short events = run->fds[which].revents;
    ssize_t n = 0; // POLLHUP alone: all has been read
    if (events & POLLIN) {
        do
            n = take(run, run->fds[which].fd, which == OUT ? &run->result->out : &run->result->err);
        while (n < 0 && errno == EINTR);
    }
    if (n > 0) {
        run->result->output_size += (uint64_t)n;
        run->last_output = clock_mono_ms();
    } else if (events) {
        shut(run, which);
    }
}

static void feed_input(struct run *run)
{
    if (!run->fds[IN].revents)
        return;
    const char *data = run->command->input;
    ssize_t n = write(run->fds[IN].fd, data + run->fed, run->command->input_size - run->fed);
    if (n > 0)
        run->fed += (size_t)n;
    // A command need not read its input to the end: EPIPE is no failure.
    bool broken = n < 0 && errno != EAGAIN && errno != EINTR;
    if (broken || run->fed == run->command->input_size)
        shut(run, IN);
}

static int poll_timeout(int64_t until)
{
    if (until == never)
        return -1;
    int64_t left = until - clock_mono_ms();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

// Moves bytes until something happens: the leader ends (waited for if until_exit), else both output
// pipes are closed; a request to stop (if heeded); the moment until; or, after the last byte,
// quiet_ms without another one.
static enum event pump(struct run *run, bool until_exit, bool heed_cancel, int64_t until,
                       int64_t quiet_ms)
{
    run->fds[EXIT].fd = until_exit ? run->child.pidfd : -1;
    run->fds[CANCEL].fd = heed_cancel ? run->command->cancel_fd : -1;
    for (;;) {
        if (!until_exit && run->fds[OUT].fd < 0 && run->fds[ERR].fd < 0)
            return CLOSED;
        int64_t end = until;
        if (quiet_ms > 0 && run->last_output + quiet_ms < end)
            end = run->last_output + quiet_ms;
        int n = poll(run->fds, FDS, poll_timeout(end));
        if (n < 0 && errno == EINTR)
            continue;
        assert(n >= 0);
        if (n == 0) {
            if (clock_mono_ms() >= end)
                return TIME_UP;
            continue;
        }
        read_output(run, OUT);
        read_output(run, ERR);
        feed_input(run);
        if (run->fds[EXIT].revents)
            return EXITED;
        if (run->fds[CANCEL].revents)
            return CANCELLED;
        if (clock_mono_ms() >= end) // a flood of output must not hide the time
            return TIME_UP;
    }
}

// All writers are dead or about to be. Should one be left that nobody could kill, its silence or
// the time ends the wait.
static void drain(struct run *run)
{
    run->last_output = clock_mono_ms();
    (void)pump(run, false, false, run->last_output + EXEC_HOLD_MS, EXEC_QUIET_MS);
}

static void stop(struct run *run)
{
    shut(run, IN);
    child_kill(&run->child);
    drain(run);
}

// The leader has ended by itself, and its result stands. What it left behind may hold its pipes.
static void finish(struct run *run, int64_t deadline)
{
    int64_t hold_ms = run->command->kill_background ? EXEC_FLUSH_MS : EXEC_HOLD_MS;
    int64_t hold = clock_mono_ms() + hold_ms;
    enum event event = pump(run, false, true, hold < deadline ? hold : deadline, 0);
    bool time_up = event == TIME_UP && clock_mono_ms() >= deadline;
    if (run->command->kill_background || event == CANCELLED || time_up)
        stop(run);
}

static void run_to_end(struct run *run)
{
    struct command_result *result = run->result;
    int64_t timeout = run->command->timeout_ms;
    int64_t deadline = timeout > 0 ? run->started + timeout : never;
    switch (pump(run, true, true, deadline, 0)) {
    case EXITED:
        finish(run, deadline);
        break;
    case CANCELLED:
        result->cancelled = true;
        stop(run);
        break;
    default:
        result->timed_out = true;
        stop(run);
    }
}

bool command_run(const struct command *command, struct command_result *result, struct fail *why)
{
    struct run run = {.command = command, .result = result, .started = clock_mono_ms()};
    struct child_setup setup = command->setup;
    setup.feed = command->input_size > 0;
    if (!child_start(&run.child, &setup, why))
        return false;

    *result = (struct command_result){.exit_code = -1};
    buffer_init(&result->out, command->output_max);
    buffer_init(&result->err, command->output_max);
    run.fds[OUT] = (struct pollfd){.fd = run.child.output, .events = POLLIN};
    run.fds[ERR] = (struct pollfd){.fd = run.child.errors, .events = POLLIN};
    run.fds[IN] = (struct pollfd){.fd = run.child.input, .events = POLLOUT};
    run.fds[EXIT].events = run.fds[CANCEL].events = POLLIN;
    run_to_end(&run);

    int code = child_end(&run.child);
    if (!result->cancelled && !result->timed_out)
        result->exit_code = code;
    result->duration_ms = clock_mono_ms() - run.started;
    return true;
}

void command_result_fini(struct command_result *result)
{
    buffer_fini(&result->out);
    buffer_fini(&result->err);
}
