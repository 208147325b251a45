#include "ops/terminals.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "ops/terminal.h"
#include "relay/stream.h"

static void look_whether_gone(struct stream_timer *timer);

struct terminals *terminals_new(int64_t rate, int64_t unused_ms)
{
    struct terminals *terminals = mem_new(struct terminals);
    terminals->rate = rate;
    terminals->unused_ms = unused_ms ? unused_ms : TERMINAL_UNUSED_MS;
    terminals->timer.fired = look_whether_gone;
    terminals->all_gone = cancel_new();
    return terminals;
}

static void stop_looking(void *terminals)
{
    timer_stop(&((struct terminals *)terminals)->timer);
}

void terminals_free(struct terminals *terminals)
{
    if (!terminals)
        return;
    (void)!stream_call(stop_looking, terminals);
    cancel_unref(terminals->all_gone);
    mem_free(terminals);
}

// --- waiting

struct waiting {
    struct terminal *terminal;
    struct terminal_wait wait;
    struct fail why; // afterwards: what has become of the terminal
    bool failed;
};

static void begin_wait(void *waiting_)
{
    struct waiting *waiting = waiting_;
    terminal_wait_begin(waiting->terminal, &waiting->wait);
}

static void end_wait(void *waiting_)
{
    struct waiting *waiting = waiting_;
    terminal_wait_end(waiting->terminal, &waiting->wait);
    waiting->failed = waiting->terminal->failed;
    waiting->why = waiting->terminal->why;
}

// Waits for news of a terminal. False when the time is over first, the operation is cancelled, or
// the terminal has failed.
static bool wait_for(struct terminal *terminal, enum terminal_news news, struct cancel *cancel,
                     int64_t ms, struct fail *why)
{
    struct waiting waiting = {.terminal = terminal, .wait = {.news = news}};
    waiting.wait.moment = cancel_try_new();
    if (!waiting.wait.moment)
        return fail_errno(why, EMFILE, "pty_open", NULL);
    bool came = stream_call(begin_wait, &waiting) && cancel_wait(waiting.wait.moment, cancel, ms);
    (void)!stream_call(end_wait, &waiting);
    cancel_unref(waiting.wait.moment);
    if (came && waiting.failed && why)
        *why = waiting.why;
    if (came)
        return !waiting.failed;
    if (cancel && cancel_fired(cancel))
        return fail_because(why, FAIL_CANCELLED, "pty_open");
    return fail_because(why, FAIL_STREAM_DOWN, "pty_open took too long");
}

// --- a place

struct claim {
    struct terminals *terminals;
    struct relay *relay;
    const char *scope;
    struct terminal *terminal; // a reference
    bool existing, stopping;
};

static struct terminal *find_scope(const struct claim *claim)
{
    if (!*claim->scope)
        return NULL;
    for (struct terminal *at = claim->terminals->first; at; at = at->next)
        if (at->relay == claim->relay && strcmp(at->scope, claim->scope) == 0)
            return at;
    return NULL;
}

// Some control planes open a terminal whenever somebody looks: the oldest one that was opened so,
// and that nobody has used, makes room.
static void make_room(struct terminals *terminals)
{
    struct terminal *oldest = NULL;
    for (struct terminal *at = terminals->first; at; at = at->next)
        if (!*at->scope && !at->used && at->state == TERMINAL_RUNNING)
            oldest = at;
    if (oldest)
        terminal_hang_up(oldest, false);
}

static void claim_place(void *claim_)
{
    struct claim *claim = claim_;
    struct terminals *terminals = claim->terminals;
    claim->stopping = terminals->stopping;
    struct terminal *found = find_scope(claim);
    if (found) {
        claim->existing = true;
        claim->terminal = terminal_ref(found);
        if (found->channel)
            channel_redial(found->channel);
        return;
    }
    if (terminals->count >= TERMINALS_MAX)
        make_room(terminals);
    if (terminals->count < TERMINALS_MAX && !terminals->stopping)
        claim->terminal = terminal_new(terminals, claim->relay, claim->scope);
}

// Somebody else has it, or is just opening it.
static bool share(struct terminal *terminal, struct cancel *cancel, struct fail *why)
{
    if (!wait_for(terminal, NEWS_SETTLED, cancel, CHANNEL_FIRST_MS + TERMINAL_SETTLE_MS, why))
        return false;
    (void)!wait_for(terminal, NEWS_LIVE, cancel, TERMINAL_LIVE_MS, NULL); // or it comes back later
    return true;
}

bool terminals_claim(struct terminals *terminals, struct relay *relay, const char *scope,
                     struct cancel *cancel, struct terminal **out, bool *existing,
                     char id[TERMINAL_ID_BYTES], struct fail *why)
{
    struct claim claim = {.terminals = terminals, .relay = relay, .scope = scope};
    if (strlen(scope) > TERMINAL_SCOPE_BYTES_MAX)
        return fail_because(why, FAIL_INVALID, "pty_open: scope_id is too long");
    if (!stream_start(why))
        return false;
    if (!stream_call(claim_place, &claim) || claim.stopping)
        return fail_because(why, FAIL_BUSY, "pty_open: the agent is stopping");
    if (!claim.terminal)
        return fail_because(why, FAIL_BUSY, "pty_open: %d terminals are open already",
                            TERMINALS_MAX);
    memcpy(id, claim.terminal->id, TERMINAL_ID_BYTES);
    *out = claim.terminal;
    *existing = claim.existing;
    if (!claim.existing)
        return true;
    *out = NULL;
    bool shared = share(claim.terminal, cancel, why);
    terminal_unref(claim.terminal);
    return shared;
}

// --- opening

static void dial(void *terminal)
{
    terminal_dial(terminal);
}

bool terminal_register(struct terminal *terminal, struct cancel *cancel, struct fail *why)
{
    if (!stream_call(dial, terminal))
        return fail_because(why, FAIL_BUSY, "pty_open: the agent is stopping");
    // The channel keeps to its time itself, and knows better what went wrong.
    return wait_for(terminal, NEWS_REGISTERED, cancel, CHANNEL_FIRST_MS + TERMINAL_SETTLE_MS, why);
}

struct giving_up {
    struct terminal *terminal;
    const struct fail *why;
};

static void give_up(void *giving_up_)
{
    struct giving_up *giving_up = giving_up_;
    terminal_give_up(giving_up->terminal, giving_up->why);
}

void terminal_abandon(struct terminal *terminal, const struct fail *why)
{
    struct giving_up giving_up = {terminal, why};
    if (stream_call(give_up, &giving_up))
        terminal_unref(terminal);
}

static void attach(void *terminal)
{
    terminal_attach(terminal);
}

static void hang_up(void *terminal)
{
    terminal_hang_up(terminal, false);
}

bool terminal_start(struct terminal *terminal, const struct pty_setup *setup, struct cancel *cancel,
                    struct fail *why)
{
    if (!pty_start(&terminal->pty, setup, why)) {
        terminal_abandon(terminal, why);
        return false;
    }
    terminal_ref(terminal); // ours, beside the one that goes to the program's life
    if (!stream_call(attach, terminal)) {
        pty_kill(&terminal->pty); // the agent is ending
        pty_end(&terminal->pty);
        return fail_because(why, FAIL_BUSY, "pty_open: the agent is stopping");
    }
    (void)!wait_for(terminal, NEWS_SHOWN, cancel, TERMINAL_SHOWN_MS, NULL);
    bool unwanted = cancel && cancel_fired(cancel);
    if (unwanted && !*terminal->scope)
        (void)!stream_call(hang_up, terminal);
    terminal_unref(terminal);
    return !unwanted || fail_because(why, FAIL_CANCELLED, "pty_open");
}

// --- the other operations

struct request {
    struct terminals *terminals;
    struct relay *relay;
    const char *id;
    const void *data;
    size_t size;
    unsigned short cols, rows;
    int exit_code;
    bool done;
    struct fail *why;
};

// Of a terminal that was, lately.
static void tell_exit_code(const struct request *request)
{
    struct terminals *all = request->terminals;
    for (size_t i = 0; request->why && i < TERMINALS_ENDED_KEPT; i++)
        if (*all->ended[i].id && strcmp(all->ended[i].id, request->id) == 0) {
            request->why->ended = all->ended[i].exit_code + 1;
            all->ended[i].asked = true;
        }
    lingering_seen(&all->lingering, request->relay, request->id);
}

static struct terminal *find(const struct request *request)
{
    for (struct terminal *at = request->terminals->first; at; at = at->next)
        if (at->relay == request->relay && at->state == TERMINAL_RUNNING &&
            strcmp(at->id, request->id) == 0) {
            at->seen = true;
            return at;
        }
    fail_because(request->why, FAIL_MISSING, "no open pty: %.100s", request->id);
    tell_exit_code(request);
    return NULL;
}

static bool run(struct request *request, void (*task)(void *))
{
    if (!stream_call(task, request)) // without a thread there are no terminals
        fail_because(request->why, FAIL_MISSING, "no open pty: %.100s", request->id);
    return request->done;
}

static void do_write(void *request_)
{
    struct request *request = request_;
    struct terminal *terminal = find(request);
    if (!terminal)
        return;
    terminal->used |= request->size > 0;
    request->done = pump_write(&terminal->pump, request->data, request->size) ||
                    fail_because(request->why, FAIL_BUSY, "pty_write: the program does not read");
}

bool terminal_write(struct terminals *terminals, struct relay *relay, const char *id,
                    const void *data, size_t size, struct fail *why)
{
    struct request request = {
        .terminals = terminals, .relay = relay, .id = id, .data = data, .size = size, .why = why};
    return run(&request, do_write);
}

static void do_resize(void *request_)
{
    struct request *request = request_;
    struct terminal *terminal = find(request);
    if (!terminal)
        return;
    terminal->used = true; // whoever only watches never types, but tells the size of the window
    (void)!pty_resize(&terminal->pty, request->cols, request->rows, NULL);
    request->done = true;
}

bool terminal_resize(struct terminals *terminals, struct relay *relay, const char *id,
                     unsigned short cols, unsigned short rows, struct fail *why)
{
    struct request request = {
        .terminals = terminals, .relay = relay, .id = id, .cols = cols, .rows = rows, .why = why};
    return run(&request, do_resize);
}

static void do_close(void *request_)
{
    struct request *request = request_;
    struct terminal *terminal = find(request);
    if (!terminal)
        return;
    if (!pty_ended(&terminal->pty, &request->exit_code))
        request->exit_code = -1;
    terminal_hang_up(terminal, false);
    request->done = true;
}

bool terminal_close(struct terminals *terminals, struct relay *relay, const char *id,
                    int *exit_code, struct fail *why)
{
    struct request request = {.terminals = terminals, .relay = relay, .id = id, .why = why};
    bool done = run(&request, do_close);
    *exit_code = request.exit_code;
    return done;
}

// --- all of them

static void hang_up_some(struct terminals *terminals, struct relay *relay, bool stopping)
{
    for (struct terminal *at = terminals->first, *next; at; at = next) {
        next = at->next;
        if (!relay || at->relay == relay)
            terminal_hang_up(at, stopping);
    }
    lingering_end_all(&terminals->lingering, relay);
}

static void leave(void *request_)
{
    struct request *request = request_;
    hang_up_some(request->terminals, request->relay, true);
}

void terminals_leave(struct terminals *terminals, struct relay *relay)
{
    struct request request = {.terminals = terminals, .relay = relay};
    (void)!stream_call(leave, &request);
}

static void look_whether_gone(struct stream_timer *timer)
{
    struct terminals *terminals = holder_of(timer, struct terminals, timer);
    bool told = channel_farewells() == 0 ||
                clock_mono_ms() - terminals->stopping_ms >= TERMINAL_FAREWELL_MS;
    if (terminals->alive == 0 && told)
        cancel_fire(terminals->all_gone);
    else
        timer_set(timer, TERMINAL_STOP_LOOK_MS);
}

static void stop(void *terminals_)
{
    struct terminals *terminals = terminals_;
    terminals->stopping = true;
    terminals->stopping_ms = clock_mono_ms();
    hang_up_some(terminals, NULL, true);
    look_whether_gone(&terminals->timer);
}

bool terminals_shut_down(struct terminals *terminals, int64_t patience_ms)
{
    return !stream_call(stop, terminals) || cancel_wait(terminals->all_gone, NULL, patience_ms);
}

size_t terminals_count(struct terminals *terminals)
{
    return atomic_load(&terminals->count);
}
