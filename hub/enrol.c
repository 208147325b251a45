#include "hub/enrol.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/roster.h"
#include "hub/secrets.h"
#include "hub/signed_token.h"
#include "hub/store.h"

char *enrol_token(struct store *store, const struct secrets *secrets, int64_t ttl_ms,
                  bool screen_control, struct fail *why)
{
    struct token_record record = {.created_ms = clock_wall_ms(), .screen_control = screen_control};
    char nonce[UUID_BYTES];
    random_uuid(nonce);
    record.expires_ms = record.created_ms + ttl_ms;
    char *token = signed_token_mint(TOKEN_ENROLMENT, secrets->enrolment,
                                    json_pack("{s:s, s:s, s:b, s:s, s:I, s:I}", "typ", "enroll",
                                              "workspaceId", store->workspace, "allowScreenControl",
                                              screen_control, "jti", nonce, "iat",
                                              (json_int_t)(record.created_ms / 1000), "exp",
                                              (json_int_t)(record.expires_ms / 1000)));
    digest_sha256(token, strlen(token), record.hash);
    if (store_add_token(store, &record, why))
        return token;
    mem_free_secret(token);
    return NULL;
}

static char *mint_bearer(const struct enrol *enrol, const struct machine_record *record)
{
    return signed_token_mint(
        TOKEN_BEARER, enrol->secrets->enrolment,
        json_pack("{s:s, s:s, s:s, s:I, s:o, s:I}", "workspaceId", enrol->store->workspace,
                  "agentId", record->id, "enrollmentId", record->id, "credentialGeneration",
                  (json_int_t)record->generation, "subjectPrefix",
                  json_sprintf("agent.%s.%s", enrol->store->workspace, record->id), "exp",
                  (json_int_t)(record->bearer_expires_ms / 1000)));
}

static char *mint_producer(const struct enrol *enrol, const struct machine_record *record)
{
    return signed_token_mint(TOKEN_PRODUCER, enrol->secrets->producer,
                             json_pack("{s:s, s:s, s:I, s:I}", "workspaceId",
                                       enrol->store->workspace, "agentId", record->id,
                                       "credentialGeneration", (json_int_t)record->generation,
                                       "exp", (json_int_t)(record->bearer_expires_ms / 1000)));
}

static json_t *make_credentials(const struct enrol *enrol, const struct machine_record *record,
                                const char *bearer, const struct enrol_places *places)
{
    char *producer = mint_producer(enrol, record);
    json_t *urls = json_array();
    if (*places->nats_url)
        json_array_append_new(urls, json_string(places->nats_url));
    json_t *credentials =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:b, s:b}", "agentId", record->id,
                  "workspaceId", enrol->store->workspace, "bearer", bearer, "subjectPrefix",
                  json_sprintf("agent.%s.%s", enrol->store->workspace, record->id), "natsUrls",
                  urls, "relayUrl", places->relay_url, "relayToken",
                  *places->relay_url ? producer : "", "natsAccountCreds", bearer, "updatePublicKey",
                  "", "consentedWholeMachine", 1, "consentedScreenControl", record->screen_control);
    mem_free_secret(producer);
    return credentials;
}

// The machine of this key with a new generation of its bearer, or a new machine.
static bool next_record(const struct enrol *enrol, const struct enrol_machine *machine,
                        int64_t now_ms, struct machine_record *record, struct fail *why)
{
    bool found;
    if (!store_find_key(enrol->store, machine->public_key, record, &found, why))
        return false;
    if (!found) {
        *record = (struct machine_record){.public_key = mem_string(machine->public_key)};
        random_uuid(record->id);
    }
    if (!record->named) {
        mem_free(record->name);
        record->name = mem_string(machine->name);
    }
    snprintf(record->os, sizeof record->os, "%s", machine->os);
    snprintf(record->arch, sizeof record->arch, "%s", machine->arch);
    record->display = machine->display;
    record->enrolled_ms = now_ms;
    record->revoked_ms = 0;
    record->generation++;
    record->bearer_expires_ms = now_ms + HUB_BEARER_TTL_MS;
    return true;
}

static enum enrol_result result_of(enum token_use use)
{
    switch (use) {
    case TOKEN_USED_NOW:
        return ENROLLED;
    case TOKEN_SPENT:
        return ENROL_SPENT;
    case TOKEN_EXPIRED:
        return ENROL_EXPIRED;
    case TOKEN_UNKNOWN:
        break;
    }
    return ENROL_BAD_TOKEN;
}

// How a machine got in.
struct permit {
    const unsigned char *token_hash; // NULL: a person agreed,
    bool screen_control;             // to this
};

static enum enrol_result use_permit(const struct enrol *enrol, const struct permit *permit,
                                    int64_t now_ms, struct machine_record *record, struct fail *why)
{
    enum token_use use = TOKEN_UNKNOWN;
    if (!permit->token_hash) {
        record->screen_control = permit->screen_control;
        return ENROLLED;
    }
    return store_use_token(enrol->store, permit->token_hash, now_ms, record->id, &use,
                           &record->screen_control, why)
               ? result_of(use)
               : ENROL_IMPOSSIBLE;
}

static enum enrol_result admit(const struct enrol *enrol, const struct permit *permit,
                               const struct enrol_machine *machine,
                               const struct enrol_places *places, json_t **credentials,
                               char id[UUID_BYTES], struct fail *why)
{
    int64_t now_ms = clock_wall_ms();
    struct machine_record record = {0};
    char *bearer = NULL;
    pthread_mutex_lock(&enrol->store->decisions);
    if (!sql_begin(&enrol->store->sql, why)) {
        pthread_mutex_unlock(&enrol->store->decisions);
        return ENROL_IMPOSSIBLE;
    }
    enum enrol_result result = next_record(enrol, machine, now_ms, &record, why)
                                   ? use_permit(enrol, permit, now_ms, &record, why)
                                   : ENROL_IMPOSSIBLE;
    if (result == ENROLLED) {
        bearer = mint_bearer(enrol, &record);
        digest_sha256(bearer, strlen(bearer), record.bearer_hash);
        if (!store_put_machine(enrol->store, &record, why))
            result = ENROL_IMPOSSIBLE;
    }
    if (result != ENROLLED)
        sql_rollback(&enrol->store->sql);
    else if (!sql_commit(&enrol->store->sql, why))
        result = ENROL_IMPOSSIBLE;

    if (result == ENROLLED) {
        *credentials = make_credentials(enrol, &record, bearer, places);
        snprintf(id, UUID_BYTES, "%s", record.id);
        log_info("machine enrolled", "machine", record.id, "name", record.name, "generation",
                 log_num(record.generation), NULL);
        roster_put(enrol->roster, &record);
    }
    pthread_mutex_unlock(&enrol->store->decisions);
    machine_record_fini(&record);
    mem_free_secret(bearer);
    return result;
}

enum enrol_result enrol_exchange(const struct enrol *enrol, const char *token,
                                 const struct enrol_machine *machine,
                                 const struct enrol_places *places, json_t **credentials,
                                 char id[UUID_BYTES], struct fail *why)
{
    const char *reason;
    json_t *claims = signed_token_verify(TOKEN_ENROLMENT, enrol->secrets->enrolment, token,
                                         strlen(token), clock_wall_ms() / 1000, &reason);
    json_decref(claims);
    if (!claims)
        return strcmp(reason, "token is expired") == 0 ? ENROL_EXPIRED : ENROL_BAD_TOKEN;
    unsigned char hash[DIGEST_BYTES];
    digest_sha256(token, strlen(token), hash);
    return admit(enrol, &(struct permit){.token_hash = hash}, machine, places, credentials, id,
                 why);
}

enum enrol_result enrol_agreed(const struct enrol *enrol, const struct enrol_machine *machine,
                               bool screen_control, const struct enrol_places *places,
                               json_t **credentials, char id[UUID_BYTES], struct fail *why)
{
    return admit(enrol, &(struct permit){.screen_control = screen_control}, machine, places,
                 credentials, id, why);
}

bool enrol_read_bearer(const struct secrets *secrets, const char *bearer, int64_t now_s,
                       char id[UUID_BYTES], unsigned char hash[32], const char **reason)
{
    size_t size = strlen(bearer);
    json_t *claims =
        signed_token_verify(TOKEN_BEARER, secrets->enrolment, bearer, size, now_s, reason);
    const char *agent = json_string_value(json_object_get(claims, "agentId"));
    if (claims && !agent)
        *reason = "token claims are invalid";
    if (agent) {
        snprintf(id, UUID_BYTES, "%s", agent);
        digest_sha256(bearer, size, hash);
    }
    json_decref(claims);
    return agent != NULL;
}
