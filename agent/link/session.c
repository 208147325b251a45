#include "link/session.h"

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/starts.h"
#include "config/nats_url.h"
#include "relay/tunnel.h"

enum { LOSS_TEXT_BYTES = 256 };

struct subscription {
    struct session *session;
    enum address address;
    enum lane lane;
    natsSubscription *nats;
};

struct session {
    atomic_uint references; // the owner's, one for nats.c's closed callback, one a subscription
    struct session_events events;
    struct subjects subjects;
    struct tunnel *tunnel;
    natsConnection *nats;
    struct subscription subscriptions[ADDRESSES][LANES];
    atomic_uint writers;
    atomic_int loss;
    atomic_size_t max_payload; // as it was asked last
    atomic_bool refused[ADDRESSES], lame_duck;
    char loss_text[LOSS_TEXT_BYTES]; // written before loss is
};

struct session *session_ref(struct session *session)
{
    atomic_fetch_add(&session->references, 1);
    return session;
}

void session_unref(struct session *session)
{
    if (!session || atomic_fetch_sub(&session->references, 1) != 1)
        return;
    struct session_events events = session->events;
    natsConnection_Destroy(session->nats);
    if (session->tunnel)
        tunnel_close(session->tunnel);
    mem_free(session);
    events.gone(events.owner);
}

// Which kind of end the server's words mean. nats-server's texts, compared without case.
static enum session_loss loss_of(const char *text)
{
    if (strcasestr(text, "user authentication expired"))
        return SESSION_EXPIRED;
    if (strcasestr(text, "account authentication expired"))
        return SESSION_LOST;
    if (strcasestr(text, "authorization") || strcasestr(text, "authentication") ||
        strcasestr(text, "auth violation"))
        return SESSION_DENIED;
    return SESSION_LOST;
}

static void on_closed(natsConnection *nats, void *session_)
{
    struct session *session = session_;
    const char *text = NULL;
    natsStatus status = natsConnection_GetLastError(nats, &text);
    if (text && strcasestr(text, "permissions violation"))
        text = NULL; // left over from an earlier refusal, which ended nothing
    if (!text || !*text)
        text = natsStatus_GetText(status);
    snprintf(session->loss_text, sizeof session->loss_text, "%s", text);
    atomic_store(&session->loss, loss_of(text));
    session->events.changed(session->events.owner);
    session_unref(session);
}

// 'Permissions Violation for Publish to "agent..."' and the like: which address is meant?
static void note_refusal(struct session *session, const char *text)
{
    for (int i = 0; i < ADDRESSES; i++) {
        const struct address_subjects *at = &session->subjects.at[i];
        const char *const ours[] = {at->rpc, at->ack, at->hello, at->events};
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++) {
            char quoted[SUBJECT_BYTES + 3];
            snprintf(quoted, sizeof quoted, "\"%s\"", ours[k]);
            if (strstr(text, quoted))
                atomic_store(&session->refused[i], true);
        }
    }
}

static void on_error(natsConnection *nats, natsSubscription *subscription, natsStatus status,
                     void *session_)
{
    struct session *session = session_;
    const char *text = NULL;
    natsConnection_GetLastError(nats, &text);
    if (status == NATS_NOT_PERMITTED && text) {
        note_refusal(session, text);
        session->events.changed(session->events.owner);
    } else if (status == NATS_SLOW_CONSUMER && subscription) {
        log_error("requests dropped: more came in than could be taken", NULL);
    }
}

static void on_lame_duck(natsConnection *nats, void *session_)
{
    (void)nats;
    struct session *session = session_;
    atomic_store(&session->lame_duck, true);
    session->events.changed(session->events.owner);
}

// Messages that have come and wait are short work, too.
static void note_waiting(natsSubscription *nats)
{
    static _Thread_local bool noted;
    int waiting = 0;
    bool note = natsSubscription_GetPending(nats, &waiting, NULL) == NATS_OK && waiting > 0;
    if (note && !noted)
        starts_short_begin();
    else if (!note && noted)
        starts_short_end();
    noted = note;
    if (waiting >= STARTS_BURST_MESSAGES)
        starts_burst();
}

static void on_message(natsConnection *nats, natsSubscription *nats_subscription, natsMsg *msg,
                       void *subscription_)
{
    (void)nats;
    note_waiting(nats_subscription);
    struct subscription *subscription = subscription_;
    struct session *session = subscription->session;
    struct session_message message = {.address = subscription->address,
                                      .lane = subscription->lane,
                                      .reply = natsMsg_GetReply(msg),
                                      .data = natsMsg_GetData(msg),
                                      .size = (size_t)natsMsg_GetDataLength(msg),
                                      .payload = (struct payload *)msg};
    session->events.message(session->events.owner, session, &message);
    payload_free(message.payload);
}

void session_take_payload(struct session_message *message)
{
    message->payload = NULL;
}

void payload_free(struct payload *payload)
{
    natsMsg_Destroy((natsMsg *)payload);
}

static void on_subscription_complete(void *subscription_)
{
    struct subscription *subscription = subscription_;
    session_unref(subscription->session);
}

static natsStatus set_options(natsOptions *nats, const struct session_options *options,
                              struct session *session, int64_t timeout_ms)
{
    natsStatus steps[] = {
        natsOptions_SetToken(nats, options->bearer),
        natsOptions_SetName(nats, options->name),
        natsOptions_SetTimeout(nats, timeout_ms),
        natsOptions_SetSendAsap(nats, true),
        natsOptions_SetAllowReconnect(nats, false),
        natsOptions_SetIgnoreDiscoveredServers(nats, true),
        natsOptions_SetNoEcho(nats, true),
        natsOptions_SetWriteDeadline(nats, LINK_WRITE_MS),
        natsOptions_SetPingInterval(nats, 0), // the link pings with each heartbeat
        natsOptions_UseGlobalMessageDelivery(nats, true),
        natsOptions_SetClosedCB(nats, on_closed, session),
        natsOptions_SetErrorHandler(nats, on_error, session),
        natsOptions_SetLameDuckModeCB(nats, on_lame_duck, session),
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i] != NATS_OK)
            return steps[i];
    return NATS_OK;
}

// Logs in to host:port, which is the server itself or our end of a tunnel to it.
static natsStatus login(struct session *session, const struct session_options *options,
                        const char *host, unsigned port, int64_t timeout_ms)
{
    char url[NATS_HOST_BYTES + 32];
    snprintf(url, sizeof url, strchr(host, ':') ? "nats://[%s]:%u" : "nats://%s:%u", host, port);
    natsOptions *nats = NULL;
    natsStatus status = natsOptions_Create(&nats);
    if (status == NATS_OK)
        status = set_options(nats, options, session, timeout_ms);
    if (status == NATS_OK)
        status = natsOptions_SetURL(nats, url);
    if (status == NATS_OK) // checked only when set
        status = natsOptions_SetExpectedHostname(nats, host);
    if (status == NATS_OK)
        status = natsConnection_Connect(&session->nats, nats);
    natsOptions_Destroy(nats);
    return status;
}

static bool open_tunnel(const struct session_options *options, const struct nats_url *url,
                        int64_t until_ms, struct tunnel **tunnel, struct fail *why)
{
    static const enum tunnel_scheme schemes[] = {[NATS_PLAIN] = TUNNEL_TLS,
                                                 [NATS_TLS] = TUNNEL_TLS,
                                                 [NATS_WS] = TUNNEL_WS,
                                                 [NATS_WSS] = TUNNEL_WSS};
    struct tunnel_target target = {.scheme = schemes[url->scheme],
                                   .host = url->host,
                                   .port = url->port,
                                   .path = url->path,
                                   .ca_file = options->ca_file};
    return tunnel_open(&target, until_ms, options->cancel, tunnel, why);
}

static bool login_failed(struct session *session, natsStatus status, enum session_loss *loss,
                         struct fail *why)
{
    const char *text = nats_GetLastError(NULL);
    const char *place = text && *text == '(' ? strstr(text, "): ") : NULL;
    if (place) // "(conn.c:2088): ", in the client's own source
        text = place + 3;
    if (!text || !*text)
        text = natsStatus_GetText(status);
    *loss = status == NATS_CONNECTION_AUTH_FAILED ? SESSION_DENIED : loss_of(text);
    if (session->tunnel && tunnel_failure(session->tunnel, why))
        return false;
    return fail_because(why, FAIL_SYSTEM, "login: %.200s", text);
}

bool session_open(const struct session_options *options, const struct session_events *events,
                  struct session **out, enum session_loss *loss, struct fail *why)
{
    *loss = SESSION_LOST;
    struct nats_url url;
    if (!nats_url_parse(options->url, &url, why))
        return false;
    int64_t until = clock_mono_ms() + options->timeout_ms;
    struct session *session = mem_new(struct session);
    // Before the login: a server that closes at once is told of on another thread.
    atomic_init(&session->references, 2);
    session->events = *events;
    session->subjects = *options->subjects;
    natsStatus status;
    bool direct = url.scheme == NATS_PLAIN;
    if (direct) {
        status = login(session, options, url.host, url.port, options->timeout_ms);
        // Its INFO says tls_required, and the NATS client's own TLS does not trust it: the tunnel
        // knows the private CA and addresses in certificates, and can say what is wrong.
        direct = status != NATS_SSL_ERROR && status != NATS_SECURE_CONNECTION_REQUIRED;
    }
    if (!direct) {
        if (!open_tunnel(options, &url, until, &session->tunnel, why)) {
            mem_free(session);
            return false;
        }
        int64_t left = until - clock_mono_ms();
        status =
            login(session, options, "127.0.0.1", tunnel_port(session->tunnel), left > 1 ? left : 1);
    }
    if (status != NATS_OK) {
        login_failed(session, status, loss, why);
        if (session->tunnel)
            tunnel_close(session->tunnel);
        mem_free(session);
        return false;
    }
    session_max_payload(session);
    *out = session;
    return true;
}

void session_close(struct session *session)
{
    natsConnection_Close(session->nats);
    for (int i = 0; i < ADDRESSES; i++)
        for (int k = 0; k < LANES; k++)
            natsSubscription_Destroy(session->subscriptions[i][k].nats);
    session_unref(session);
}

bool session_subscribe(struct session *session, enum address address, struct fail *why)
{
    const struct address_subjects *at = &session->subjects.at[address];
    const char *const subject[LANES] = {[LANE_RPC] = at->rpc, [LANE_ACK] = at->ack};
    for (int lane = 0; lane < LANES; lane++) {
        struct subscription *own = &session->subscriptions[address][lane];
        *own = (struct subscription){.session = session, .address = address, .lane = lane};
        natsStatus status =
            natsConnection_Subscribe(&own->nats, session->nats, subject[lane], on_message, own);
        if (status == NATS_OK) {
            session_ref(session);
            status = natsSubscription_SetOnCompleteCB(own->nats, on_subscription_complete, own);
            if (status != NATS_OK) // the connection has ended: nobody will be called
                session_unref(session);
        }
        if (status == NATS_OK)
            status = natsSubscription_SetPendingLimits(own->nats, LINK_PENDING_MESSAGES,
                                                       LINK_PENDING_BYTES);
        if (status != NATS_OK)
            return fail_because(why, FAIL_SYSTEM, "subscribe: %s", natsStatus_GetText(status));
    }
    return true;
}

void session_drain(struct session *session, int64_t timeout_ms)
{
    for (int i = 0; i < ADDRESSES; i++)
        for (int k = 0; k < LANES; k++)
            if (session->subscriptions[i][k].nats)
                natsSubscription_Drain(session->subscriptions[i][k].nats);
    int64_t until = clock_mono_ms() + timeout_ms;
    for (int i = 0; i < ADDRESSES; i++)
        for (int k = 0; k < LANES; k++) {
            int64_t left = until - clock_mono_ms();
            if (session->subscriptions[i][k].nats)
                natsSubscription_WaitForDrainCompletion(session->subscriptions[i][k].nats,
                                                        left > 1 ? left : 1);
        }
}

bool session_publish(struct session *session, const char *subject, const void *data, size_t size)
{
    atomic_fetch_add(&session->writers, 1);
    natsStatus status = natsConnection_Publish(session->nats, subject, data, (int)size);
    atomic_fetch_sub(&session->writers, 1);
    if (status == NATS_MAX_PAYLOAD) {
        log_warn("a message does not fit any more and is dropped", "subject", subject, "bytes",
                 log_num(size), NULL);
        return true;
    }
    return status == NATS_OK;
}

bool session_busy(const struct session *session)
{
    return atomic_load(&session->writers) > 0;
}

bool session_barrier(struct session *session, int64_t timeout_ms)
{
    natsStatus status = natsConnection_FlushTimeout(session->nats, timeout_ms);
    // The reader notes a refusal before the PONG that follows it; the error callback may be later.
    const char *text = NULL;
    if (natsConnection_GetLastError(session->nats, &text) == NATS_NOT_PERMITTED && text)
        note_refusal(session, text);
    return status == NATS_OK;
}

enum session_loss session_loss(struct session *session)
{
    return (enum session_loss)atomic_load(&session->loss);
}

const char *session_loss_text(struct session *session)
{
    return session_loss(session) == SESSION_ALIVE ? "" : session->loss_text;
}

bool session_refused(struct session *session, enum address address)
{
    return atomic_load(&session->refused[address]);
}

bool session_lame_duck(struct session *session)
{
    return atomic_load(&session->lame_duck);
}

size_t session_max_payload(struct session *session)
{
    int64_t max = natsConnection_GetMaxPayload(session->nats);
    if (max <= 0)
        max = LINK_MAX_PAYLOAD_DEFAULT;
    if (max > REQUEST_BYTES_MAX)
        max = REQUEST_BYTES_MAX;
    atomic_store(&session->max_payload, (size_t)max);
    return (size_t)max;
}

size_t session_max_payload_known(const struct session *session)
{
    return atomic_load(&session->max_payload);
}

uint64_t session_received(struct session *session)
{
    uint64_t messages = 0, bytes = 0;
    natsStatistics *statistics = NULL;
    if (natsStatistics_Create(&statistics) == NATS_OK &&
        natsConnection_GetStats(session->nats, statistics) == NATS_OK)
        natsStatistics_GetCounts(statistics, &messages, &bytes, NULL, NULL, NULL);
    natsStatistics_Destroy(statistics);
    return messages;
}
