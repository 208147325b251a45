// The two ways to the terminal: the relay, which is dialled again whenever it is lost, and the
// machine, which is told the window's size and asked whether the terminal is still there.
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "ctl/registry.h"
#include "ctl/session_private.h"

// --- the relay

static bool renew_grant(struct session *session, struct fault *fault)
{
    int64_t now = clock_mono_ms();
    bool fixed = session->options->source.relay_url != NULL; // the file may have changed
    if (!fixed && session->grant.token && session->grant.until_ms > now + SHELL_TOKEN_SPARE_MS)
        return true;
    struct grant grant;
    if (!grant_get(&session->options->source, session->options->terminal.agent,
                   session->options->terminal.port, &grant, fault))
        return false;
    grant_fini(&session->grant);
    session->grant = grant;
    return true;
}

static bool dial(struct session *session, struct fault *fault)
{
    struct fail why;
    session->redial_ms = 0;
    if (!renew_grant(session, fault))
        return false;
    if (viewer_dial(session->viewer, session->grant.relay_url, session->grant.token,
                    session->grant.ca_file, &why))
        return true;
    return fault_fail(fault, FAULT_LOCAL, &why);
}

static void wait_and_redial(struct session *session)
{
    int64_t ceiling = SHELL_REDIAL_MS;
    for (unsigned i = 0; i < session->attempts && ceiling < SHELL_REDIAL_MAX_MS; i++)
        ceiling *= 2;
    if (ceiling > SHELL_REDIAL_MAX_MS)
        ceiling = SHELL_REDIAL_MAX_MS;
    session->attempts++;
    session->redial_ms =
        clock_mono_ms() + ceiling / 2 + (int64_t)random_below((uint64_t)ceiling / 2 + 1);
}

static void redial(struct session *session)
{
    struct fault fault;
    if (!dial(session, &fault))
        wait_and_redial(session);
}

bool session_first_dial(struct session *session)
{
    struct fault fault;
    session->lost_ms = clock_mono_ms();
    if (dial(session, &fault))
        return true;
    ctl_fault(session->ctl, &fault);
    return false;
}

// A relay holds one viewer of a terminal and drops the older one. Whoever is dropped at once after
// each return is the one that was there first: it goes, or the two would go on for ever.
static bool was_taken(struct session *session, int64_t now)
{
    bool soon = now - session->live_ms < SHELL_RIVAL_MS && session->attempts == 1;
    session->rival_losses = soon ? session->rival_losses + 1 : 0;
    return session->rival_losses >= SHELL_RIVAL_TIMES;
}

static void lost(struct session *session, const struct fail *why, bool refused)
{
    int64_t now = clock_mono_ms();
    session->why = *why;
    if (!session->was_live && refused) {
        struct fault fault;
        fault_fail(&fault, FAULT_SERVER, why);
        ctl_fault(session->ctl, &fault);
        session->end = SESSION_FAILED;
        return;
    }
    if (refused)
        grant_fini(&session->grant); // a fresh token may do better
    if (!session->lost_ms) {
        if (was_taken(session, now)) {
            session->end = SESSION_TAKEN;
            return;
        }
        session->attempts = 0;
        session->lost_ms = now;
    }
    wait_and_redial(session);
}

static void live(struct session *session)
{
    if (session->noticed) {
        session_say(session, "connected again");
        // A program that owns the whole screen draws it anew when its size changes.
        session->redraw = modes_other_screen(&session->modes) && session->rows > 1;
    }
    session->noticed = false;
    session->was_live = true;
    session->lost_ms = 0;
    session->live_ms = clock_mono_ms();
    session->size_due = true; // and so the machine says whether the terminal is still there
}

void session_look(struct session *session)
{
    struct viewer_news news;
    viewer_look(session->viewer, &news);
    if (news.missed > 0)
        session_say(session, "%" PRIu64 " pieces of the output are lost", news.missed);
    switch (news.state) {
    case VIEWER_AWAY:
    case VIEWER_REFUSED:
        if (!session->redial_ms)
            lost(session, &news.why, news.state == VIEWER_REFUSED);
        break;
    case VIEWER_LIVE:
        if (session->lost_ms)
            live(session);
        if (!session->unanswered)
            session->probe_ms = clock_mono_ms() + SHELL_PROBE_MS;
        break;
    case VIEWER_CLOSED:
        session->close_reason = news.close_reason;
        if (!session->closing_ms)
            session->closing_ms = clock_mono_ms();
        break;
    case VIEWER_DIALLING:
        break;
    }
}

// --- the machine

// An agent that was started again has a new address, and none of its old terminals.
static bool has_moved(struct session *session)
{
    struct ctl *ctl = session->ctl;
    struct machine there;
    struct fault fault;
    const char *agent = session->options->terminal.agent;
    bool found = ctl->has_hub ? registry_find(&ctl->hub, agent, ctl->generation, 0, &there, &fault)
                              : ctl->directory && machine_find(ctl->directory, agent,
                                                               ctl->generation, 0, &there, &fault);
    if (!found || strcmp(there.subject, ctl->machine.subject) == 0)
        return false;
    memcpy(ctl->machine.subject, there.subject, sizeof there.subject);
    return true;
}

static void no_answer(struct session *session, bool offline)
{
    int64_t now = clock_mono_ms();
    session->probe_ms = now + SHELL_OFFLINE_MS;
    if (!offline)
        return;
    if (has_moved(session)) {
        session->probe_ms = now;
        return;
    }
    if (!session->offline_ms)
        session->offline_ms = now;
}

bool session_online(struct session *session)
{
    struct ctl *ctl = session->ctl;
    struct fault fault;
    if (!natsConnection_IsClosed(ctl->connection.nats))
        return true;
    sizing_fini(&session->sizing, ctl); // belongs to the old connection
    return ctl_reconnect(ctl, &fault);
}

// Every question carries the window's size, so that a lost one does no harm.
static void ask(struct session *session)
{
    int64_t begun = clock_mono_ms();
    session->size_due = false;
    session->unanswered = true;
    if (!session_online(session)) {
        // Where that took its time, the person's keys have waited for it: not too often.
        int64_t now = clock_mono_ms();
        session->probe_ms =
            now + (now - begun < SHELL_NOTICE_MS ? SHELL_OFFLINE_MS : SHELL_PROBE_MS);
        return;
    }
    if (!sizing_send(&session->sizing, session->ctl, session->options->terminal.id, session->cols,
                     session->redraw ? session->rows - 1 : session->rows))
        no_answer(session, false);
}

// Its last output and the news of its end may be on their way.
static void no_terminal(struct session *session)
{
    bool has_ended = session->was_there && session->sizing.exit_code >= 0;
    int64_t patience = session->sizing.exit_code >= 0 ? SHELL_ANSWER_MS : SHELL_DRAIN_MS;
    if (session->closing_ms)
        return;
    if (session->lost_ms || clock_mono_ms() - session->live_ms > patience)
        session->end = has_ended ? SESSION_ENDED_UNSEEN : SESSION_NO_TERMINAL;
    else
        session->probe_ms = session->live_ms + patience + 1;
}

static void take_answer(struct session *session)
{
    if (!session->sizing.call)
        return;
    switch (sizing_look(&session->sizing, session->ctl)) {
    case SIZING_WAITS:
        break;
    case SIZING_DONE:
        if (session->offline_noticed)
            session_say(session, "%s is back", session->ctl->machine.label);
        session->offline_ms = 0;
        session->offline_noticed = session->unanswered = false;
        session->was_there = true;
        session->size_due |= session->redraw;
        session->redraw = false;
        session->probe_ms = clock_mono_ms() + SHELL_PROBE_MS;
        break;
    case SIZING_NO_TERMINAL:
        no_terminal(session);
        break;
    case SIZING_OFFLINE:
        no_answer(session, true);
        break;
    case SIZING_LOST:
        no_answer(session, false);
        break;
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t away_since(const struct session *session)
{
    if (session->lost_ms && session->offline_ms)
        return least(session->lost_ms, session->offline_ms);
    return session->lost_ms ? session->lost_ms : session->offline_ms;
}

static bool is_to_be_told(const struct session *session)
{
    return session->lost_ms && !session->noticed && (session->was_live || *session->why.what);
}

static void tell_of_losses(struct session *session, int64_t now)
{
    char why[FAIL_TEXT_BYTES];
    if (is_to_be_told(session) && now - session->lost_ms >= SHELL_NOTICE_MS) {
        session->noticed = true;
        if (session->was_live)
            session_say(session, "the relay is away; keys are kept until it is back");
        else
            session_say(session, "the relay is not to be reached, trying on: %s",
                        fail_text(&session->why, why, sizeof why));
    }
    if (session->offline_ms && !session->offline_noticed) {
        session->offline_noticed = true;
        session_say(session, "%s is out of reach", session->ctl->machine.label);
    }
}

void session_tick(struct session *session)
{
    int64_t now = clock_mono_ms(), since = away_since(session);
    if (session->closing_ms)
        return;
    take_answer(session);
    if (session->redial_ms && now >= session->redial_ms)
        redial(session);
    if (!session->sizing.call && session->was_live &&
        (now >= session->probe_ms || (session->size_due && !session->lost_ms)))
        ask(session);
    tell_of_losses(session, now);
    if (session->options->patience_ms && since && now - since >= session->options->patience_ms &&
        session->end == SESSION_GOES_ON)
        session->end = SESSION_GAVE_UP;
}

int64_t session_due_ms(const struct session *session)
{
    int64_t now = clock_mono_ms(), due = INT64_MAX, since = away_since(session);
    if (session->closing_ms)
        return session->closing_ms + SHELL_DRAIN_MS;
    if (session->sizing.call) // its answer comes without a descriptor
        due = now + CTL_WAIT_SLICE_MS;
    else if (session->was_live)
        due = session->size_due && !session->lost_ms ? now : session->probe_ms;
    if (session->redial_ms)
        due = least(due, session->redial_ms);
    if (is_to_be_told(session))
        due = least(due, session->lost_ms + SHELL_NOTICE_MS);
    if (session->options->patience_ms && since)
        due = least(due, since + session->options->patience_ms);
    return due;
}
