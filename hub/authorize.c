// Who may connect to nats-server, and what they may do there.
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/callout.h"
#include "hub/enrol.h"
#include "hub/hub.h"
#include "hub/roster.h"

static bool is_control(const struct hub *hub, const char *token)
{
    size_t size = strlen(hub->secrets.control_token);
    return strlen(token) == size && CRYPTO_memcmp(token, hub->secrets.control_token, size) == 0;
}

// People and programs that command the machines: everything in the machines' account.
static char *grant_control(const struct hub *hub, const struct callout_request *request)
{
    static const char *const all[] = {">", NULL}, *const none[] = {"$SYS.>", NULL};
    const struct callout_grant grant = {
        .user = "control", .publish = all, .subscribe = all, .deny = none};
    return callout_grant(hub->account, request, &grant);
}

// A machine: its own subjects, under the id of its own process, and answers to whoever asked.
static char *grant_machine(const struct hub *hub, const struct callout_request *request,
                           const char *id, int64_t now_s)
{
    char subjects[256];
    snprintf(subjects, sizeof subjects, "agent.%s.%s.connection.%s.>", hub->store.workspace, id,
             request->instance);
    const char *const publish[] = {subjects, "_INBOX.>", NULL};
    const char *const subscribe[] = {subjects, NULL};
    const struct callout_grant grant = {
        .user = id, .publish = publish, .subscribe = subscribe, .expires_s = now_s + HUB_GRANT_S};
    return callout_grant(hub->account, request, &grant);
}

static char *refuse(struct hub *hub, const struct callout_request *request, const char *id,
                    const char *reason)
{
    static const struct bucket_rate rate = {HUB_REFUSAL_LOG_BURST, HUB_REFUSAL_LOG_PER_SECOND};
    atomic_fetch_add(&hub->refusals, 1);
    if (bucket_take(&hub->refusal_log, &rate, 1, moment_now().mono_ms))
        log_info("connection refused", "reason", reason, "machine", id, "client", request->client,
                 NULL);
    return callout_refuse(hub->account, request, reason);
}

static char *judge_machine(struct hub *hub, const struct callout_request *request)
{
    struct moment now = moment_now();
    unsigned char hash[DIGEST_BYTES];
    char id[UUID_BYTES] = "";
    const char *reason = verdict_text(VERDICT_NO_BEARER);
    enum verdict verdict = VERDICT_NO_BEARER;
    if (*request->token &&
        enrol_read_bearer(&hub->secrets, request->token, now.unix_ms / 1000, id, hash, &reason)) {
        verdict = roster_connect(hub->roster, id, request->instance, hash, now);
        reason = verdict_text(verdict);
    }
    if (verdict != VERDICT_GRANTED)
        return refuse(hub, request, id, reason);
    atomic_fetch_add(&hub->grants, 1);
    return grant_machine(hub, request, id, now.unix_ms / 1000);
}

char *hub_authorize(void *context, const void *data, size_t size)
{
    struct hub *hub = context;
    struct callout_request request;
    if (!callout_read(data, size, &request))
        return NULL;
    char *answer = is_control(hub, request.token) ? grant_control(hub, &request)
                                                  : judge_machine(hub, &request);
    callout_request_fini(&request);
    return answer;
}
