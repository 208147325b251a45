#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/doctor.h"
#include "cli/moment.h"
#include "cli/workplace.h"
#include "config/bearer.h"
#include "config/nats_url.h"
#include "doctor/survey.h"

// --- what the documents hold

static void check_token(struct doctor *doctor, const struct connection *connection,
                        const char *name, const char *token)
{
    char expiry[MOMENT_EXPIRY_BYTES];
    int64_t at, now_s = clock_wall_ms() / 1000;
    enum bearer_state state = bearer_read(token, now_s, &at);
    bool useless = state == BEARER_MISSING || state == BEARER_EXPIRED;
    char *advice = workplace_renewal(connection);
    doctor_say(doctor,
               useless                  ? CHECK_FAIL
               : state == BEARER_ENDING ? CHECK_WARN
                                        : CHECK_OK,
               name, advice, "%s: %s", connection->id, moment_expiry(token, now_s, expiry));
    mem_free(advice);
}

// What the running agent says of the link: it alone knows whether the credentials are accepted.
static void check_link(struct doctor *doctor, const struct connection *connection)
{
    char span[MOMENT_BYTES];
    const struct status_connection *link = status_find(&doctor->live.status, connection->id);
    if (!doctor->live.reports)
        return;
    const char *state = link && link->state ? link->state : "not served";
    int64_t for_s = link ? (clock_wall_ms() - link->since_ms) / 1000 : 0;
    if (strcmp(state, "online") == 0) {
        doctor_say(doctor, CHECK_OK, "link", NULL, "%s: online for %s", connection->id,
                   moment_span(for_s, span));
        return;
    }
    bool denied = strcmp(state, "auth_denied") == 0;
    char *renewal = workplace_renewal(connection);
    char *advice = denied ? mem_printf("if no other agent runs with them: %s", renewal) : NULL;
    doctor_say(doctor, CHECK_FAIL, "link", advice, "%s: %s%s%s", connection->id,
               denied ? "the server refuses the credentials" : state,
               link && link->last_error_class ? ": " : "",
               link && link->last_error_class ? link->last_error_class : "");
    mem_free(renewal);
    mem_free(advice);
}

// --- servers

// Without user names and passwords, and without a query.
static char *shown(const char *url)
{
    const char *scheme = strstr(url, "://");
    size_t head = scheme ? (size_t)(scheme + 3 - url) : 0, rest = strcspn(url + head, "?#");
    size_t authority = strcspn(url + head, "/?#");
    const char *at = memrchr(url + head, '@', authority);
    size_t skip = at ? (size_t)(at + 1 - url) : head;
    return mem_printf("%.*s%.*s", (int)head, url, (int)(head + rest - skip), url + skip);
}

static bool reached(const struct survey *survey, const char *url)
{
    const struct probe_answer *answer = survey_find(survey, PROBE_NATS, url);
    return answer && answer->reached;
}

static void tell(struct doctor *doctor, const struct probe_answer *answer, enum check_result bad,
                 const char *name, const char *url, const char *advice)
{
    char text[FAIL_TEXT_BYTES];
    char *where = shown(url);
    if (!answer)
        doctor_say(doctor, CHECK_WARN, name, NULL, "%s: not looked at; there are too many", where);
    else if (answer->reached)
        doctor_say(doctor, CHECK_OK, name, NULL, "%s: %s, in %lld ms", where, answer->text,
                   (long long)answer->took_ms);
    else
        doctor_say(doctor, bad, name, advice, "%s: %s", where,
                   fail_text(&answer->why, text, sizeof text));
    mem_free(where);
}

static void check_brokers(struct doctor *doctor, const struct survey *survey,
                          const struct connection *connection)
{
    bool any = false;
    char *renewal = workplace_renewal(connection);
    if (connection->nats_url_count == 0)
        doctor_say(doctor, CHECK_FAIL, "broker", renewal,
                   "%s: the document holds no address of the control plane", connection->id);
    mem_free(renewal);
    for (size_t i = 0; i < connection->nats_url_count; i++)
        any |= reached(survey, connection->nats_urls[i]);
    for (size_t i = 0; i < connection->nats_url_count; i++)
        tell(doctor, survey_find(survey, PROBE_NATS, connection->nats_urls[i]),
             any ? CHECK_WARN : CHECK_FAIL, "broker", connection->nats_urls[i],
             "see whether a firewall or the name server is in the way; proxies are not used");
}

static void check_relay(struct doctor *doctor, const struct survey *survey,
                        const struct connection *connection)
{
    if (!*connection->relay_url) {
        doctor_say(doctor, CHECK_OK, "relay", NULL,
                   "%s: this deployment has none: no terminals, no live view", connection->id);
        return;
    }
    check_token(doctor, connection, "relay token", connection->relay_token);
    tell(doctor, survey_find(survey, PROBE_RELAY, connection->relay_url), CHECK_FAIL, "relay",
         connection->relay_url, "without it there are no terminals and no live view");
}

static void check_clock(struct doctor *doctor, const struct probe_answer *answer, const char *url)
{
    char span[MOMENT_BYTES];
    if (!answer || !answer->has_date)
        return;
    int64_t ahead = answer->received_s - answer->date_s, off = llabs(ahead);
    char *where = shown(url);
    if (off < DOCTOR_CLOCK_S)
        doctor_say(doctor, CHECK_OK, "clock", NULL, "agrees with %s", where);
    else
        doctor_say(doctor, off < DOCTOR_CLOCK_BAD_S ? CHECK_WARN : CHECK_FAIL, "clock",
                   "set the clock, for example with: timedatectl set-ntp true",
                   "%s %s the clock of %s", moment_span(off, span),
                   ahead > 0 ? "ahead of" : "behind", where);
    mem_free(where);
}

static void check_api(struct doctor *doctor, const struct survey *survey, const char *url)
{
    const struct probe_answer *answer = survey_find(survey, PROBE_API, url);
    tell(doctor, answer, CHECK_WARN, "API", url,
         "connections go on without it; to connect anew it is needed");
    check_clock(doctor, answer, url);
}

// --- all of it

static const struct connection *valid(const struct doctor *doctor, size_t i)
{
    return doctor->connections.entries[i].connection;
}

// The origin of a connection that was taken over is only a guess.
static const char *origin(const struct connection *connection)
{
    return connection->legacy_origin ? NULL : connection->api_url;
}

static void note_servers(const struct doctor *doctor, struct survey *survey)
{
    for (size_t i = 0; i < doctor->connections.count; i++) {
        const struct connection *connection = valid(doctor, i);
        if (!connection)
            continue;
        const char *given = doctor->input.ca_file, *ca_file = given ? given : connection->ca_file;
        for (size_t k = 0; k < connection->nats_url_count; k++)
            survey_add(survey, PROBE_NATS, connection->nats_urls[k], ca_file);
        if (*connection->relay_url)
            survey_add(survey, PROBE_RELAY, connection->relay_url, ca_file);
        if (origin(connection))
            survey_add(survey, PROBE_API, connection->api_url, ca_file);
    }
}

// Each API is told once, however many workspaces it has.
static bool told_before(const struct doctor *doctor, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        const struct connection *earlier = valid(doctor, k);
        if (earlier && origin(earlier) && strcmp(earlier->api_url, valid(doctor, i)->api_url) == 0)
            return true;
    }
    return false;
}

void doctor_network(struct doctor *doctor)
{
    struct survey *survey = survey_new();
    note_servers(doctor, survey);
    survey_run(survey);
    if (doctor->connections.count == 0)
        doctor_say(doctor, CHECK_WARN, "connection", "opengeni-agent connect --workspace-id ID",
                   "this machine is not connected to any workspace");
    for (size_t i = 0; i < doctor->connections.count; i++) {
        const struct connection *connection = valid(doctor, i);
        if (!connection)
            continue; // the list of connections has been told of
        check_token(doctor, connection, "credential", connection->nats_bearer);
        check_link(doctor, connection);
        check_brokers(doctor, survey, connection);
        check_relay(doctor, survey, connection);
        if (origin(connection) && !told_before(doctor, i))
            check_api(doctor, survey, connection->api_url);
    }
    survey_free(survey);
}
