#include "ctl/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "ctl/interrupt.h"
#include "ctl/session_private.h"
#include "ctl/tty.h"

enum { KEYS_BYTES = 4096, TYPED_BYTES = KEYS_BYTES + 2 }; // an escape key that was none, and ^D ^D

void session_say(struct session *session, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *end = session->raw ? "\r\n" : "\n";
    fflush(stdout);
    dprintf(STDERR_FILENO, "%s[opengeni-ctl: %s]%s", session->raw ? "\r\n" : "", text, end);
}

// --- input

static void help(struct session *session)
{
    char key[ESCAPE_NAME_BYTES];
    escape_name(session->escape.key, key);
    session_say(session,
                "%s. ends the terminal, %sd leaves it running, %s^Z stops this program, "
                "%s%s is the key itself",
                key, key, key, key, key);
}

static void set_raw(struct session *session)
{
    if (!session->tty_in)
        return;
    session->raw = tty_make_raw();
    if (!session->raw)
        session_say(session, "the terminal cannot be made raw: %s", strerror(errno));
}

static void look_at_size(struct session *session)
{
    unsigned cols, rows;
    if (!tty_size(&cols, &rows))
        return;
    session->size_due |= cols != session->cols || rows != session->rows;
    session->cols = cols;
    session->rows = rows;
}

static void suspend(struct session *session)
{
    char reset[MODES_RESET_BYTES];
    size_t size = session->tty_out ? modes_reset(&session->modes, reset) : 0;
    if (size > 0)
        (void)!io_write_all(STDOUT_FILENO, reset, size);
    tty_suspend();
    session->size_due = true; // whoever owns the whole screen draws it again
    look_at_size(session);
}

static void obey(struct session *session, enum escape_command command)
{
    switch (command) {
    case ESCAPE_END:
        session->end = SESSION_CLOSED;
        break;
    case ESCAPE_DETACH:
        session->end = SESSION_DETACHED;
        break;
    case ESCAPE_SUSPEND:
        suspend(session);
        break;
    case ESCAPE_HELP:
        help(session);
        break;
    case ESCAPE_NOTHING:
        break;
    }
}

static void type(struct session *session, const char *data, size_t size)
{
    if (size == 0)
        return;
    if (size > viewer_room(session->viewer)) { // only while the relay is away
        if (session->tty_out)
            (void)!write(STDOUT_FILENO, "\a", 1);
        return;
    }
    viewer_type(session->viewer, data, size);
    session->line_open = data[size - 1] != '\n' && data[size - 1] != '\r';
}

// The end of a pipe is told as a person tells it; in an open line ^D only hands the line over.
static void type_end(struct session *session)
{
    session->input_over = true;
    if (!session->tty_in)
        type(session, "\004\004", session->line_open ? 2 : 1);
}

static void read_keys(struct session *session)
{
    char keys[KEYS_BYTES], typed[TYPED_BYTES];
    size_t room = viewer_room(session->viewer);
    size_t want = session->tty_in || room > sizeof keys ? sizeof keys : room;
    ssize_t n = read(STDIN_FILENO, keys, want);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        // A terminal that is gone; the signal for it comes as well, or came before.
        if (session->tty_in)
            session->end = SESSION_OUTPUT_GONE;
        else
            type_end(session);
        return;
    }
    for (size_t done = 0, size; done < (size_t)n && session->end == SESSION_GOES_ON;) {
        enum escape_command command;
        done +=
            escape_take(&session->escape, keys + done, (size_t)n - done, typed, &size, &command);
        type(session, typed, size);
        obey(session, command);
    }
    explicit_bzero(keys, sizeof keys);
    explicit_bzero(typed, sizeof typed);
}

static bool wants_keys(struct session *session)
{
    // From a terminal always: the escape key has to work while nothing can be sent.
    return !session->input_over &&
           (session->tty_in || viewer_room(session->viewer) > KEYS_BYTES + 2);
}

// --- output

static void fill_output(struct session *session)
{
    if (session->output_size > 0)
        return;
    session->output_start = 0;
    session->output_size = viewer_read(session->viewer, session->output, sizeof session->output);
    if (session->tty_out)
        modes_feed(&session->modes, session->output, session->output_size);
}

static void print(struct session *session)
{
    ssize_t n = write(STDOUT_FILENO, session->output + session->output_start, session->output_size);
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
        session->end = SESSION_OUTPUT_GONE;
        return;
    }
    if (n > 0) {
        session->output_start += (size_t)n;
        session->output_size -= (size_t)n;
    }
}

// --- signals

static void take_signals(struct session *session)
{
    unsigned come = tty_signals();
    if (come & TTY_STOP)
        suspend(session);
    else if ((come & TTY_CONTINUED) && session->raw)
        set_raw(session); // it was stopped without a word
    if (come & (TTY_RESIZED | TTY_CONTINUED))
        look_at_size(session);
    if (come & TTY_END)
        session->end = SESSION_SIGNAL;
}

// --- the loop

static int wait_ms(const struct session *session)
{
    int64_t due = session_due_ms(session), now = clock_mono_ms();
    if (due == INT64_MAX)
        return -1;
    return due <= now ? 0 : due - now > 60000 ? 60000 : (int)(due - now);
}

static void loop(struct session *session, int signals)
{
    while (session->end == SESSION_GOES_ON) {
        fill_output(session);
        if (session->closing_ms && session->output_size == 0) {
            session->end = session->close_reason == STREAM_CLOSE_PROCESS_EXIT
                               ? SESSION_PROGRAM_ENDED
                               : SESSION_MACHINE_ENDED;
            break;
        }
        struct pollfd fds[] = {
            {.fd = signals, .events = POLLIN},
            {.fd = viewer_ready(session->viewer), .events = POLLIN},
            {.fd = wants_keys(session) ? STDIN_FILENO : -1, .events = POLLIN},
            {.fd = session->output_size > 0 ? STDOUT_FILENO : -1, .events = POLLOUT},
        };
        int n = poll(fds, sizeof fds / sizeof *fds, wait_ms(session));
        if (n < 0 && errno != EINTR)
            session->end = SESSION_OUTPUT_GONE;
        if (n > 0 && fds[0].revents)
            take_signals(session);
        if (n > 0 && fds[3].revents && session->end == SESSION_GOES_ON)
            print(session);
        if (n > 0 && fds[1].revents && session->end == SESSION_GOES_ON)
            session_look(session);
        if (n > 0 && fds[2].revents && session->end == SESSION_GOES_ON)
            read_keys(session);
        if (session->end == SESSION_GOES_ON)
            session_tick(session);
    }
}

// --- the end

static void drain_typed(struct session *session)
{
    int64_t until = clock_mono_ms() + SHELL_DRAIN_MS;
    while (!session->lost_ms && !viewer_is_typed(session->viewer) && clock_mono_ms() < until) {
        struct pollfd fd = {.fd = viewer_ready(session->viewer), .events = POLLIN};
        poll(&fd, 1, CTL_WAIT_SLICE_MS);
        struct viewer_news news;
        viewer_look(session->viewer, &news);
    }
}

// The machine tells how when it is asked about a terminal that has just ended, if it can.
static int program_ended(struct session *session)
{
    int code;
    struct fault fault;
    if (!session_online(session))
        return STATUS_OK;
    (void)!terminal_close(session->ctl, session->options->terminal.id, &code, &fault);
    return code < 0 ? STATUS_OK : code & 0xff;
}

static int close_terminal(struct session *session)
{
    int code;
    struct fault fault;
    interrupt_put_off(true); // one request more
    if (!session_online(session))
        session_say(session, "the terminal could not be ended: the server is out of reach");
    else if (!terminal_close(session->ctl, session->options->terminal.id, &code, &fault) &&
             !fault_is(&fault, OG__ERROR_CODE__ERROR_CODE_NOT_FOUND))
        session_say(session, "the terminal could not be ended: %s", fault.text);
    interrupt_put_off(false);
    return STATUS_SIGNAL;
}

static void say_how_to_come_back(struct session *session, const char *what)
{
    const struct terminal *terminal = &session->options->terminal;
    session_say(session, "%s; opengeni-ctl shell --attach %s %s/%s comes back", what, terminal->id,
                terminal->workspace, terminal->agent);
}

static void tell_who_stays_away(struct session *session)
{
    char why[FAIL_TEXT_BYTES];
    if (session->lost_ms && *session->why.what) {
        session_say(session, "the relay stays away: %s", fail_text(&session->why, why, sizeof why));
        say_how_to_come_back(session, "left running");
    } else {
        say_how_to_come_back(session,
                             session->lost_ms ? "the relay stays away" : "the machine stays away");
    }
}

static int finish(struct session *session)
{
    const struct session_options *options = session->options;
    switch (session->end) {
    case SESSION_PROGRAM_ENDED:
        return program_ended(session);
    case SESSION_CLOSED:
        return close_terminal(session);
    case SESSION_DETACHED:
        drain_typed(session);
        say_how_to_come_back(session, "left running");
        return STATUS_OK;
    case SESSION_SIGNAL:
    case SESSION_OUTPUT_GONE:
        if (options->ours && !options->keep)
            return close_terminal(session);
        drain_typed(session);
        say_how_to_come_back(session, "left running");
        return STATUS_SIGNAL;
    case SESSION_TAKEN:
        say_how_to_come_back(session, "another viewer has taken this terminal over");
        return STATUS_SIGNAL;
    case SESSION_NO_TERMINAL:
        session_say(session, "%s has no such terminal (any more)", session->ctl->machine.label);
        return STATUS_SIGNAL;
    case SESSION_ENDED_UNSEEN:
        session_say(session, "the program has ended; the end of its output may be lost");
        return session->sizing.exit_code & 0xff;
    case SESSION_MACHINE_ENDED:
        session_say(session, "%s has ended the terminal", session->ctl->machine.label);
        return STATUS_SIGNAL;
    case SESSION_GAVE_UP:
        tell_who_stays_away(session);
        return STATUS_SIGNAL;
    case SESSION_FAILED: // it was never seen
    case SESSION_GOES_ON:
        break;
    }
    int status = session->ctl->status;
    if (options->ours)
        (void)close_terminal(session);
    return status;
}

static struct viewer *make_viewer(struct session *session)
{
    const struct session_options *options = session->options;
    const struct terminal *terminal = &options->terminal;
    struct viewer_options wanted = {
        .channel = {.channel_id = terminal->channel,
                    .workspace_id = terminal->workspace,
                    .agent_id = terminal->agent,
                    .kind = STREAM_PTY,
                    .port = terminal->port},
        // Of one terminal's viewers, one after the other, each has higher numbers: agents take a
        // lower one for a frame that came before.
        .first_seq = options->ours ? 0 : (uint64_t)clock_wall_ms(),
        .resends = terminal_knows_frames(terminal),
        .from_start = options->ours,
    };
    struct fail why;
    struct viewer *viewer = viewer_new(&wanted, &why);
    if (viewer)
        return viewer;
    struct fault fault;
    fault_fail(&fault, FAULT_LOCAL, &why);
    ctl_fault(session->ctl, &fault);
    return NULL;
}

static void leave_tty(struct session *session)
{
    char reset[MODES_RESET_BYTES];
    size_t size = session->tty_out ? modes_reset(&session->modes, reset) : 0;
    if (size > 0)
        (void)!io_write_all(STDOUT_FILENO, reset, size);
    tty_restore();
    if (session->raw && session->end != SESSION_PROGRAM_ENDED)
        (void)!io_write_all(STDERR_FILENO, "\r\n", 2);
    session->raw = false;
}

int session_run(struct ctl *ctl, const struct session_options *options)
{
    struct session session = {.ctl = ctl,
                              .options = options,
                              .tty_in = isatty(STDIN_FILENO),
                              .tty_out = isatty(STDOUT_FILENO),
                              .input_over = options->no_stdin,
                              .was_there = options->ours};
    escape_init(&session.escape, options->escape);
    look_at_size(&session);
    int signals = tty_watch_signals(), status = STATUS_FAILED;
    session.viewer = make_viewer(&session);
    if (signals >= 0 && session.viewer && session_first_dial(&session)) {
        set_raw(&session);
        loop(&session, signals);
        leave_tty(&session);
        status = finish(&session);
    } else {
        if (options->ours)
            (void)close_terminal(&session);
        status = ctl->status ? ctl->status : STATUS_FAILED;
    }
    sizing_fini(&session.sizing, ctl);
    viewer_free(session.viewer);
    grant_fini(&session.grant);
    tty_unwatch_signals();
    return ctl->status = status;
}
