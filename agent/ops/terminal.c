#include "ops/terminal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "ops/stream_channel.h"
#include "relay/relay.h"

enum { TERMINAL_PORT = 7681 }; // a label; nothing listens there

static void timer_fired(struct stream_timer *timer);
static void exit_ready(struct watch *watch, unsigned events);
static const struct pump_events pump_events;

// --- its memory

struct terminal *terminal_new(struct terminals *all, struct relay *relay, const char *scope)
{
    struct terminal *terminal = mem_new(struct terminal);
    *terminal = (struct terminal){
        .all = all,
        .next = all->first,
        .link = &all->first,
        .relay = relay_ref(relay),
        .scope = mem_string(scope),
        .state = TERMINAL_OPENING,
        .exit = {.fd = -1, .ready = exit_ready},
        .timer.fired = timer_fired,
    };
    atomic_init(&terminal->references, 1);
    stream_id_make(terminal->id);
    if (all->first)
        all->first->link = &terminal->next;
    all->first = terminal;
    all->count++;
    all->alive++;
    pump_init(&terminal->pump, &pump_events, terminal, all->rate);
    return terminal;
}

struct terminal *terminal_ref(struct terminal *terminal)
{
    atomic_fetch_add(&terminal->references, 1);
    return terminal;
}

static void take_from_list(struct terminal *terminal)
{
    if (terminal->state == TERMINAL_ENDING)
        return;
    terminal->state = TERMINAL_ENDING;
    *terminal->link = terminal->next;
    if (terminal->next)
        terminal->next->link = terminal->link;
    terminal->all->count--;
}

static void free_terminal(void *terminal_)
{
    struct terminal *terminal = terminal_;
    assert(terminal->state == TERMINAL_ENDING && !terminal->channel && !terminal->waits);
    pump_fini(&terminal->pump);
    timer_stop(&terminal->timer);
    relay_unref(terminal->relay);
    mem_free(terminal->scope);
    terminal->all->alive--;
    mem_free(terminal);
}

void terminal_unref(struct terminal *terminal)
{
    if (atomic_fetch_sub(&terminal->references, 1) != 1)
        return;
    if (stream_here())
        free_terminal(terminal);
    else
        (void)stream_post(free_terminal, terminal);
}

// --- news

static void announce(struct terminal *terminal, unsigned news)
{
    terminal->news |= news;
    for (struct terminal_wait *wait = terminal->waits; wait; wait = wait->next)
        if (wait->news & news)
            cancel_fire(wait->moment);
}

void terminal_wait_begin(struct terminal *terminal, struct terminal_wait *wait)
{
    wait->next = terminal->waits;
    terminal->waits = wait;
    if (wait->news & terminal->news)
        cancel_fire(wait->moment);
}

void terminal_wait_end(struct terminal *terminal, struct terminal_wait *wait)
{
    struct terminal_wait **at = &terminal->waits;
    while (*at != wait)
        at = &(*at)->next;
    *at = wait->next;
}

// --- the end

static void close_channel(struct terminal *terminal, enum stream_close reason, const char *message)
{
    struct channel *channel = terminal->channel;
    if (!channel)
        return;
    terminal->channel = NULL;
    pump_channel(&terminal->pump, NULL);
    channel_close(channel, reason, message);
}

// Everything is over: the leader is waited for, the descriptors closed.
static void bury(struct terminal *terminal)
{
    pump_fini(&terminal->pump);
    timer_stop(&terminal->timer);
    pty_end(&terminal->pty);
    announce(terminal, NEWS_SHOWN);
    log_debug("terminal ended", "terminal", terminal->id, NULL);
    terminal_unref(terminal);
}

static void killed(void *terminal_)
{
    struct terminal *terminal = terminal_;
    terminal->killing = false;
    terminal->killed = true;
    if (terminal->exited && terminal->drained) {
        bury(terminal);
    } else if (!terminal->exited) { // it hangs in the kernel
        terminal->exited = true;
        watch_stop(&terminal->exit);
        pump_finish(&terminal->pump);
    }
}

static void *kill_tree(void *terminal_)
{
    struct terminal *terminal = terminal_;
    pty_kill(&terminal->pty);
    (void)stream_post(killed, terminal);
    return NULL;
}

// What is left of it dies. That takes looks at all processes: not for this thread.
static void start_kill(struct terminal *terminal)
{
    if (terminal->killing || terminal->killed)
        return;
    terminal->killing = true;
    if (!thread_start(kill_tree, terminal, NULL))
        timer_set(&terminal->timer, TERMINAL_HANGUP_MS); // try again
}

static bool was_asked_after(const struct terminal *terminal)
{
    const struct terminals *all = terminal->all;
    for (size_t i = 0; i < TERMINALS_ENDED_KEPT; i++)
        if (strcmp(all->ended[i].id, terminal->id) == 0)
            return all->ended[i].asked;
    return false;
}

// The end is put off while nobody can have seen the output.
static void let_channel_go(struct terminal *terminal)
{
    struct channel *channel = terminal->channel;
    int64_t left = terminal->opened_ms + TERMINAL_LINGER_MS - clock_mono_ms();
    bool is_live = channel && terminal->pump.live,
         is_wanted = !terminal->hung_up && !terminal->all->stopping,
         was_seen = terminal->seen || was_asked_after(terminal);
    if (!is_live || !is_wanted || was_seen || left <= 0) {
        close_channel(terminal, STREAM_CLOSE_PROCESS_EXIT, "pty exited");
        return;
    }
    terminal->channel = NULL;
    pump_channel(&terminal->pump, NULL);
    lingering_begin(&terminal->all->lingering, channel, terminal->relay, terminal->id, left);
}

// The leader has ended and its output has gone out.
static void conclude(struct terminal *terminal)
{
    terminal->drained = true;
    let_channel_go(terminal);
    if (terminal->hung_up && !terminal->killed)
        start_kill(terminal); // children that did not mind
    else if (!terminal->killing)
        bury(terminal);
}

static void keep_exit_code(const struct terminal *terminal)
{
    struct terminals *all = terminal->all;
    int code;
    if (!pty_ended(&terminal->pty, &code))
        return;
    memcpy(all->ended[all->ended_next].id, terminal->id, TERMINAL_ID_BYTES);
    all->ended[all->ended_next].exit_code = code;
    all->ended[all->ended_next].asked = false;
    all->ended_next = (all->ended_next + 1) % TERMINALS_ENDED_KEPT;
}

static void exit_ready(struct watch *watch, unsigned events)
{
    (void)events;
    struct terminal *terminal = holder_of(watch, struct terminal, exit);
    watch_stop(watch);
    terminal->exited = true;
    keep_exit_code(terminal);
    take_from_list(terminal); // its scope is free
    pump_finish(&terminal->pump);
}

void terminal_hang_up(struct terminal *terminal, bool stopping)
{
    take_from_list(terminal);
    if (stopping)
        close_channel(terminal, STREAM_CLOSE_NORMAL, "agent stopping");
    if (!terminal->attached || terminal->hung_up)
        return;
    terminal->hung_up = true;
    if (!terminal->exited) {
        pty_hang_up(&terminal->pty);
        timer_set(&terminal->timer, TERMINAL_HANGUP_MS);
    }
}

// One timer: first it ends terminals that nobody uses, later those that do not end by themselves,
// and it puts off what must not happen inside an event of the pump.
static void timer_fired(struct stream_timer *timer)
{
    struct terminal *terminal = holder_of(timer, struct terminal, timer);
    if (terminal->exited && terminal->pump.finished && !terminal->drained) {
        conclude(terminal);
    } else if (terminal->hung_up) {
        terminal->killing = false; // when there was no thread for it
        start_kill(terminal);
    } else if (!terminal->exited && (terminal->pump.hung_up || !terminal->used)) {
        terminal_hang_up(terminal, false);
    }
}

// --- events of the pump

static void output_shown(void *terminal)
{
    announce(terminal, NEWS_SHOWN);
}

// Nobody has the terminal open any more. As a rule the leader is just ending.
static void output_hung_up(void *terminal_)
{
    struct terminal *terminal = terminal_;
    if (!terminal->exited && !terminal->hung_up)
        timer_set(&terminal->timer, TERMINAL_HANGUP_MS);
}

static void output_finished(void *terminal_)
{
    struct terminal *terminal = terminal_;
    timer_set(&terminal->timer, 0);
}

static const struct pump_events pump_events = {
    .shown = output_shown, .hung_up = output_hung_up, .finished = output_finished};

// --- events of the channel

static void channel_live(void *terminal_, bool live)
{
    struct terminal *terminal = terminal_;
    if (live)
        announce(terminal, NEWS_REGISTERED | NEWS_LIVE);
    else
        terminal->news &= ~(unsigned)NEWS_LIVE;
    pump_live(&terminal->pump, live);
}

static void channel_failed(void *terminal_, const struct fail *why)
{
    struct terminal *terminal = terminal_;
    terminal->channel = NULL;
    pump_channel(&terminal->pump, NULL);
    terminal->why = *why;
    terminal->failed = true;
    announce(terminal, NEWS_REGISTERED);
}

static void channel_ended(void *terminal_, const struct fail *why)
{
    struct terminal *terminal = terminal_;
    log_debug("relay channel ended", "terminal", terminal->id, "why", log_why(why), NULL);
    terminal->channel = NULL;
    terminal->news &= ~(unsigned)NEWS_LIVE;
    pump_channel(&terminal->pump, NULL);
    if (terminal->attached)
        terminal_hang_up(terminal, false);
}

static void channel_frame(void *terminal_, const void *data, size_t size)
{
    struct terminal *terminal = terminal_;
    terminal->seen = true;
    terminal->used |= size > 0;
    if (!pump_write(&terminal->pump, data, size))
        log_warn("input of a terminal was dropped: its program reads nothing", NULL);
}

static size_t channel_produce(void *terminal)
{
    return pump_produce(&((struct terminal *)terminal)->pump);
}

// --- the beginning

void terminal_dial(struct terminal *terminal)
{
    static const struct channel_events events = {.live = channel_live,
                                                 .failed = channel_failed,
                                                 .ended = channel_ended,
                                                 .frame = channel_frame,
                                                 .produce = channel_produce};
    static const struct channel_policy policy = {
        .kind = STREAM_PTY, .port = TERMINAL_PORT, .keeps_tail = true};
    terminal->channel = channel_new(terminal->relay, &policy, terminal->id, &events, terminal);
    pump_channel(&terminal->pump, terminal->channel);
}

void terminal_attach(struct terminal *terminal)
{
    terminal->attached = true;
    terminal->opened_ms = clock_mono_ms();
    if (terminal->state == TERMINAL_OPENING)
        terminal->state = TERMINAL_RUNNING;
    pump_start(&terminal->pump, terminal->pty.master);
    terminal->exit.fd = terminal->pty.child.pidfd;
    watch_start(&terminal->exit, EPOLLIN);
    if (terminal->state == TERMINAL_ENDING || !terminal->channel) // it ended meanwhile
        terminal_hang_up(terminal, terminal->all->stopping);
    else if (!*terminal->scope)
        timer_set(&terminal->timer, terminal->all->unused_ms);
    announce(terminal, NEWS_SETTLED);
}

void terminal_give_up(struct terminal *terminal, const struct fail *why)
{
    assert(!terminal->attached);
    take_from_list(terminal);
    close_channel(terminal, STREAM_CLOSE_NORMAL, "terminal not started");
    terminal->why = *why;
    terminal->failed = true;
    announce(terminal, NEWS_SETTLED);
}
