// One attempt to reach a control plane: every URL in random order until one lets us in, then the
// subscriptions, and the question which generation of subjects this server grants.
#include <stdio.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "link/link_private.h"

static void shuffle(size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t k = (size_t)random_below(i + 1);
        order[i] = order[k];
        order[k] = i;
    }
}

static bool open_any(struct link *link, const struct connection *connection, struct cancel *cancel,
                     struct dialed *out)
{
    if (connection->nats_url_count == 0) {
        fail_because(&out->why, FAIL_INVALID,
                     "the control plane's address is missing (nats_urls is empty)");
        log_warn("dial failed", "connection", link->id, "why", log_why(&out->why), NULL);
        return false;
    }
    struct subjects subjects;
    if (!subjects_init(&subjects, connection->workspace_id, connection->agent_id,
                       link->shared->instance_id))
        return fail_because(&out->why, FAIL_INVALID, "the ids cannot be part of a subject");
    char name[64];
    snprintf(name, sizeof name, "opengeni-agent/connection/%s", link->shared->instance_id);
    struct session_events events = {
        .owner = link, .message = link_intake, .changed = link_wake, .gone = link_drop};
    size_t order[LINK_URLS_MAX] = {0};
    size_t count =
        connection->nats_url_count < LINK_URLS_MAX ? connection->nats_url_count : LINK_URLS_MAX;
    shuffle(order, count);
    int64_t until = clock_mono_ms() + LINK_DIAL_MS;
    for (size_t i = 0; i < count; i++) {
        int64_t left = until - clock_mono_ms();
        if (left <= 0 || cancel_fired(cancel))
            break;
        struct session_options options = {
            .url = connection->nats_urls[order[i]],
            .bearer = connection->nats_bearer,
            .name = name,
            .subjects = &subjects,
            .ca_file = link_ca_file(link, connection),
            .timeout_ms = left < LINK_DIAL_ADDRESS_MS ? left : LINK_DIAL_ADDRESS_MS,
            .cancel = cancel,
        };
        link_hold(link); // until the session's gone event
        if (session_open(&options, &events, &out->session, &out->loss, &out->why))
            return true;
        link_drop(link);
        log_info("dial failed", "connection", link->id, "url", options.url, "why",
                 log_why(&out->why), NULL);
        if (out->loss == SESSION_DENIED)
            return false; // every URL leads to the same control plane
    }
    return false;
}

// Subscribes on an address and asks the server, by a PING, whether it minds.
static bool take_address(struct session *session, enum address address, struct fail *why)
{
    if (!session_subscribe(session, address, why))
        return false;
    if (!session_barrier(session, LINK_DIAL_ADDRESS_MS))
        return fail_because(why, FAIL_SYSTEM, "the server does not answer");
    return true;
}

void link_dial(struct link *link, const struct connection *connection, bool try_legacy,
               struct dialed *out)
{
    *out = (struct dialed){.loss = SESSION_LOST};
    if (!*connection->nats_bearer) {
        out->loss = SESSION_DENIED;
        fail_because(&out->why, FAIL_INVALID, "the connection has no credential");
        return;
    }
    pthread_mutex_lock(&link->lock);
    struct cancel *cancel = cancel_ref(link->leaving);
    pthread_mutex_unlock(&link->lock);
    bool opened = open_any(link, connection, cancel, out);
    cancel_unref(cancel);
    if (!opened)
        return;
    bool usable = take_address(out->session, ADDRESS_FENCED, &out->why);
    if (usable && session_refused(out->session, ADDRESS_FENCED))
        usable =
            fail_because(&out->why, FAIL_INVALID, "the server refuses this machine's subjects");
    if (usable && try_legacy)
        usable = take_address(out->session, ADDRESS_LEGACY, &out->why);
    if (!usable) {
        session_close(out->session);
        out->session = NULL;
        return;
    }
    out->legacy = try_legacy && !session_refused(out->session, ADDRESS_LEGACY);
}
