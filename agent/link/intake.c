// What happens to a message from the control plane: decode, refuse what must not run, answer a ping
// in place, hand everything else to a worker. Runs on the NATS client's delivery thread.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/workers.h"
#include "link/admission.h"
#include "link/link_private.h"
#include "link/reply_memory.h"
#include "link/settled.h"
#include "ops/table.h"
#include "ops/wire_error.h"
#include "proto/envelope.h"
#include "relay/relay.h"
#include "upgrade/upgrade.h"

// One request, from its arrival to its reply.
struct call {
    struct admission_job job; // first: admission hands this back
    struct link *link;
    struct payload *payload; // the request's strings and bytes live in it
    const char *reply;       // subject, in the payload
    struct arena arena;
    struct request request;
    const struct op_entry *entry;
    enum address address;
    struct cancel *cancel; // NULL: only the link's end cancels it
    size_t reply_max;
    int64_t received_ms;
    struct running_entry running; // while a worker has it
    struct lane_waiter turn;      // of an operation that runs in order
    struct ordered_lane *lane;    // where it waits for it; NULL: in no order
    bool once;                    // its id is noted in the journal
    bool on_worker; // otherwise on the delivery thread, which serves all links and must not wait
};

static struct call *call_new(struct link *link, struct session *session,
                             struct session_message *message)
{
    struct call *call = mem_new(struct call);
    call->link = link;
    call->payload = message->payload;
    call->reply = message->reply;
    call->address = message->address;
    call->received_ms = clock_mono_ms();
    call->reply_max = session_max_payload_known(session);
    arena_init(&call->arena, REQUEST_ARENA_BASE + message->size * REQUEST_ARENA_FACTOR +
                                 call->reply_max * REPLY_ARENA_FACTOR);
    session_take_payload(message);
    link_hold(link);
    atomic_fetch_add(&link->calls, 1);
    return call;
}

static void call_free(struct call *call)
{
    struct link *link = call->link;
    if (call->lane)
        lane_leave(call->lane, &call->turn);
    cancel_unref(call->cancel);
    arena_fini(&call->arena);
    payload_free(call->payload);
    mem_free(call);
    atomic_fetch_sub(&link->calls, 1);
    link_drop(link);
}

// How long a reply may wait for the next session: as long as somebody may still wait for it.
static int64_t reply_until(const struct call *call)
{
    int64_t wait = LATE_REPLY_MS;
    const Og__ControlRequest *message = call->request.message;
    if (message && message->op_case == OG__CONTROL_REQUEST__OP_EXEC &&
        message->exec->timeout_ms + INT64_C(5000) > wait)
        wait = message->exec->timeout_ms + INT64_C(5000);
    return call->received_ms + wait;
}

static void send(const struct call *call, const void *data, size_t size)
{
    if (call->on_worker)
        link_reply(call->link, call->reply, data, size, reply_until(call));
    else
        link_reply_soon(call->link, call->reply, data, size, reply_until(call));
}

// The response's bytes; *owned has to be freed.
static void *encode(const struct request *request, const Og__ControlResponse *response,
                    const struct encode_place *place, size_t size, void **owned)
{
    *owned = NULL;
    void *data = place && place->size > 0
                     ? envelope_encode_around(request->id, request->id_size, response, place, size)
                     : NULL;
    if (!data) {
        data = *owned = mem_resize(NULL, size); // not zeroed: all of it is written
        envelope_encode(request->id, request->id_size, response, data, size);
    }
    return data;
}

// Encodes the response, or when it is too large the error that says so, and sends it.
static void answer_around(struct call *call, Og__ControlResponse *response,
                          const struct encode_place *place)
{
    const struct request *request = &call->request;
    size_t size = envelope_size(request->id_size, response);
    Og__ControlResponse too_large = OG__CONTROL_RESPONSE__INIT;
    struct agent_error error;
    if (size > call->reply_max) {
        struct fail why;
        fail_too_large(&why, size, call->reply_max);
        wire_error(&error, &call->arena, call->entry ? call->entry->name : "none", &why);
        too_large.error = &error.wire;
        response = &too_large;
        place = NULL;
        size = envelope_size(request->id_size, response);
    }
    void *owned, *data = encode(request, response, place, size, &owned);
    if (call->once)
        settled_end(call->link->settled, request->id, request->id_size, clock_mono_ms(), data,
                    size);
    send(call, data, size);
    mem_free(owned);
}

static void answer(struct call *call, Og__ControlResponse *response)
{
    answer_around(call, response, NULL);
}

static void answer_error(struct call *call, const struct fail *why)
{
    struct agent_error error;
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    wire_error(&error, &call->arena, call->entry ? call->entry->name : "none", why);
    response.error = &error.wire;
    answer(call, &response);
}

// Refused before anything ran; the same request may come again.
static void answer_busy(struct call *call, const char *message, const char *backpressure, bool name)
{
    struct agent_error error;
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    agent_error_init(&error, &call->arena, OG__ERROR_CODE__ERROR_CODE_DRAINING, true, message);
    if (name)
        agent_error_detail(&error, "op", call->entry->name);
    agent_error_detail(&error, "backpressure", backpressure);
    response.error = &error.wire;
    answer(call, &response);
}

static void answer_fenced(struct call *call, uint32_t held)
{
    struct agent_error error;
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    agent_error_init(&error, &call->arena, OG__ERROR_CODE__ERROR_CODE_FENCED, true,
                     "fenced: the request's epoch is superseded");
    agent_error_detail_number(&error, "op_epoch", call->request.message->epoch);
    agent_error_detail_number(&error, "held_epoch", held);
    response.error = &error.wire;
    answer(call, &response);
}

static void answer_ping(struct call *call)
{
    Og__PingResponse ping = OG__PING_RESPONSE__INIT;
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    ping.nonce = call->request.message->ping->nonce;
    ping.agent_monotonic_ms = (uint64_t)(clock_mono_ms() - call->link->shared->started_ms);
    response.result_case = OG__CONTROL_RESPONSE__RESULT_PING;
    response.ping = &ping;
    answer(call, &response);
}

static void hold_link(void *link)
{
    link_hold(link);
}

static void answer_update(struct call *call)
{
    const struct upgrade_link link = {call->link, link_tell_update, hold_link, link_drop};
    Og__AgentUpdateApplyResponse accepted = OG__AGENT_UPDATE_APPLY_RESPONSE__INIT;
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    struct upgrade_refusal refusal;
    struct agent_error error;
    if (upgrade_ask(call->link->shared->upgrade, call->request.message->agent_update_apply, &link,
                    &accepted, &refusal)) {
        response.result_case = OG__CONTROL_RESPONSE__RESULT_AGENT_UPDATE_APPLY;
        response.agent_update_apply = &accepted;
    } else {
        agent_error_init(&error, &call->arena, refusal.code, refusal.retryable, refusal.message);
        agent_error_detail(&error, "failure_code", refusal.failure_code);
        response.error = &error.wire;
    }
    answer(call, &response);
}

// Looks after work that runs already, whoever began it.
static bool is_about_work(const Og__ControlRequest *message)
{
    switch (message->op_case) {
    case OG__CONTROL_REQUEST__OP_OP_CANCEL:
    case OG__CONTROL_REQUEST__OP_OP_QUERY:
    case OG__CONTROL_REQUEST__OP_OP_ATTACH:
        return true;
    default:
        return false;
    }
}

// While an update goes on, only what looks after running work is served.
static bool waits_for_update(const struct call *call)
{
    const Og__ControlRequest *message = call->request.message;
    return message->op_case != OG__CONTROL_REQUEST__OP_PING &&
           message->op_case != OG__CONTROL_REQUEST__OP_AGENT_UPDATE_APPLY &&
           !is_about_work(message) && upgrade_busy(call->link->shared->upgrade);
}

static void answer_updating(struct call *call)
{
    struct agent_error error;
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    agent_error_init(&error, &call->arena, OG__ERROR_CODE__ERROR_CODE_DRAINING, true,
                     "busy: the agent is about to be updated");
    agent_error_detail(&error, "op", call->entry->name);
    agent_error_detail(&error, "reason", "agent_update");
    response.error = &error.wire;
    answer(call, &response);
}

// The request has not run: its id may come again.
static void forget(struct call *call)
{
    if (call->once)
        settled_forget(call->link->settled, call->request.id, call->request.id_size);
    call->once = false;
}

// Nobody waits any longer for a request that sat in the queue while the link had no session.
static bool is_stale(const struct call *call)
{
    struct link *link = call->link;
    pthread_mutex_lock(&link->lock);
    int64_t since =
        link->session_ended_ms > call->received_ms ? link->session_ended_ms : call->received_ms;
    bool stale = !link->session && clock_mono_ms() - since > LINK_QUEUED_KEEP_MS;
    pthread_mutex_unlock(&link->lock);
    return stale;
}

static bool screen_control(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    bool consented = link->connection->consented_screen_control;
    pthread_mutex_unlock(&link->lock);
    return consented;
}

static bool wait_for_turn(struct call *call, struct fail *why)
{
    return !call->lane || lane_wait(call->lane, &call->turn, clock_mono_ms() + DESKTOP_TEXT_MS) ||
           fail_because(why, FAIL_TIMEOUT, "the input before this one takes too long");
}

static void run(struct call *call)
{
    struct link *link = call->link;
    if (is_stale(call) || cancel_fired(call->cancel)) {
        forget(call);
        return;
    }
    struct session *session = link_session(link);
    if (session)
        call->reply_max = session_max_payload(session);
    session_unref(session);
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT; // empty: its size is the id's
    struct relay *relay = link_relay(link);
    struct op op = {.host = link->shared->host,
                    .arena = &call->arena,
                    .cancel = call->cancel,
                    .reply_max = call->reply_max,
                    .legacy = call->address == ADDRESS_LEGACY,
                    .screen_control = screen_control(link),
                    .seat = &link->seat,
                    .id_size = envelope_size(call->request.id_size, &response),
                    .relay = relay};
    struct fail why = {0};
    bool done =
        wait_for_turn(call, &why) && call->entry->run(&op, call->request.message, &response, &why);
    relay_unref(relay);
    // A command that was killed because its session went has no reply: the control plane has
    // counted it as lost, and must not hear of it again. One that its owner has ended has one.
    if (call->entry->dies_with_link && call->address == ADDRESS_FENCED &&
        cancel_fired(call->cancel) && !link_leave_asked(link) &&
        !atomic_load(&link->shared->paused)) {
        forget(call);
        return;
    }
    if (done)
        answer_around(call, &response, &op.place);
    else
        answer_error(call, &why);
}

static void run_job(struct admission_job *job)
{
    struct call *call = (struct call *)job;
    struct admission *admission = call->link->shared->admission;
    call->on_worker = true;
    running_enter(&call->link->running, &call->running, call->entry->name);
    run(call);
    running_leave(&call->link->running, &call->running);
    admission_leave(admission, job);
    call_free(call);
}

// True when the request is new. Otherwise it was answered from the journal, or refused.
static bool begin_once(struct call *call)
{
    if (!call->entry->once || call->request.id_size == 0)
        return true;
    void *stored = NULL;
    size_t size = 0;
    switch (settled_begin(call->link->settled, call->request.id, call->request.id_size,
                          call->received_ms, &stored, &size)) {
    case SETTLED_NEW:
        call->once = true;
        return true;
    case SETTLED_RUNNING:
        answer_busy(call, "busy: this request is already running", "duplicate_in_flight", false);
        return false;
    case SETTLED_DONE:
        send(call, stored, size);
        mem_free(stored);
        return false;
    }
    return false;
}

// What stops the request; NULL when there is no descriptor left for that.
static struct cancel *cancel_for(struct link *link, bool dies_with_session)
{
    pthread_mutex_lock(&link->lock);
    if (dies_with_session && !link->lost)
        link->lost = cancel_try_new();
    struct cancel *cancel = dies_with_session ? link->lost : link->leaving;
    if (cancel)
        cancel_ref(cancel);
    pthread_mutex_unlock(&link->lock);
    return cancel;
}

static struct ordered_lane *lane_for(struct link *link, enum op_order order)
{
    switch (order) {
    case OP_INPUT_ORDER:
        return &link->seat.input;
    case OP_TERMINAL_ORDER:
        return &link->typing;
    default:
        return NULL;
    }
}

static void submit(struct call *call)
{
    if (!begin_once(call)) {
        call_free(call);
        return;
    }
    struct link *link = call->link;
    bool dies = call->entry->dies_with_link && call->address == ADDRESS_FENCED;
    call->cancel = cancel_for(link, dies);
    if (!call->cancel) {
        struct fail why;
        fail_errno(&why, EMFILE, "start", call->entry->name);
        forget(call);
        answer_error(call, &why);
        call_free(call);
        return;
    }
    call->lane = lane_for(link, call->entry->order);
    if (call->lane) // here, where requests still have their order
        lane_join(call->lane, &call->turn);
    static const enum admission_class classes[] = {
        [OP_LIGHT] = ADMISSION_LIGHT, [OP_HEAVY] = ADMISSION_HEAVY};
    call->job = (struct admission_job){.class = classes[call->entry->class],
                                       .origin = link->origin,
                                       .bytes = call->request.payload_size,
                                       .run = run_job};
    if (admission_enter(link->shared->admission, &call->job))
        return;
    forget(call);
    answer_busy(call, "busy: too many requests are waiting", "queue_breaker", true);
    call_free(call);
}

// Refuses what can be refused without running anything; false when the request may run.
static bool refuse(struct call *call)
{
    const Og__ControlRequest *message = call->request.message;
    uint32_t held = call->link->held_epoch;
    struct fail why;
    if (message->epoch != 0 && message->epoch < held && !is_about_work(message)) {
        answer_fenced(call, held);
        return true;
    }
    switch (call->entry->handling) {
    case OP_MISUSED:
        if (message->op_case == OG__CONTROL_REQUEST__OP__NOT_SET)
            fail_because(&why, FAIL_PROTOCOL, "the request has no operation that this agent knows");
        else
            fail_because(&why, FAIL_PROTOCOL, "%s is not sent to an agent", call->entry->name);
        break;
    case OP_UNSUPPORTED:
        if (call->entry->lacks)
            fail_because(&why, FAIL_UNSUPPORTED, "%s: %s", call->entry->name, call->entry->lacks);
        else
            fail_because(&why, FAIL_UNSUPPORTED, "this agent does not serve %s", call->entry->name);
        break;
    default:
        if (atomic_load(&call->link->shared->paused) && call->entry->handling != OP_PING) {
            fail_because(&why, FAIL_CONSENT,
                         "paused: the owner of this machine has paused its agent");
            break;
        }
        if (waits_for_update(call)) {
            answer_updating(call);
            return true;
        }
        if (!call->request.has_nul)
            return false;
        fail_because(&why, FAIL_INVALID, "a text of the request holds a NUL byte");
    }
    answer_error(call, &why);
    return true;
}

static void handle(struct call *call, const void *data, size_t size)
{
    struct fail why;
    bool decoded = size <= REQUEST_BYTES_MAX
                       ? request_decode(&call->arena, data, size, &call->request, &why)
                       : fail_because(&why, FAIL_PROTOCOL, "the request is too large");
    if (!decoded) {
        log_warn("a request could not be decoded", "connection", call->link->id, "bytes",
                 log_num(size), "why", log_why(&why), NULL);
        call->request = (struct request){0};
        answer_error(call, &why);
        call_free(call);
        return;
    }
    call->entry = op_find(call->request.message);
    if (refuse(call)) {
        call_free(call);
    } else if (call->entry->handling == OP_PING) {
        answer_ping(call);
        call_free(call);
    } else if (call->entry->handling == OP_UPDATE) {
        answer_update(call);
        call_free(call);
    } else {
        submit(call);
    }
}

void link_intake(void *link_, struct session *session, struct session_message *message)
{
    struct link *link = link_;
    if (message->lane != LANE_RPC)
        return; // nothing is streamed: nothing to acknowledge
    if (!message->reply) {
        log_warn("a request without a reply subject is dropped", "connection", link->id, NULL);
        return;
    }
    if (link_leave_asked(link) || reply_memory_seen(link->replies, message->reply, clock_mono_ms()))
        return;
    const void *data = message->data;
    handle(call_new(link, session, message), data, message->size);
}
