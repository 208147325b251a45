#include "cli/workplace.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/moment.h"
#include "cli/say.h"
#include "config/bearer.h"
#include "config/config_dir.h"
#include "service/place.h"

static void warn_about_files(const struct connections *connections)
{
    for (size_t i = 0; i < connections->count; i++) {
        const struct connections_entry *entry = &connections->entries[i];
        if (entry->mode == MODE_TIGHTENED)
            say_warning("other users could read %s; its mode is 0600 now", entry->path);
        else if (entry->mode == MODE_LOOSE)
            say_warning("other users can read %s", entry->path);
    }
    if (connections->legacy_problem)
        say_warning("%s", connections->legacy_problem);
}

bool workplace_open(const struct invocation *invocation, struct workplace *place)
{
    struct fail why;
    *place = (struct workplace){.config.fd = -1};
    bool open = config_dir_open(&place->config, NULL, &why) &&
                connections_load(&place->config, invocation->api_url, &place->connections, &why);
    if (open) {
        warn_about_files(&place->connections);
        open = live_read(&place->config, &place->live, &why);
    }
    if (!open) {
        say_failure(&why);
        workplace_close(place);
    }
    return open;
}

void workplace_refresh(struct workplace *place)
{
    live_refresh(&place->config, &place->live);
}

void workplace_close(struct workplace *place)
{
    live_fini(&place->live);
    connections_fini(&place->connections);
    secure_dir_fini(&place->config);
}

enum { STATE_BYTES = 3 * MOMENT_BYTES };

static const char *state_text(const struct status_connection *state, char text[STATE_BYTES])
{
    char span[MOMENT_BYTES], ops[MOMENT_BYTES] = "";
    int64_t now = clock_wall_ms();
    if (state->ops_running > 0)
        snprintf(ops, sizeof ops, ", %lld operation%s running", (long long)state->ops_running,
                 state->ops_running == 1 ? "" : "s");
    snprintf(text, STATE_BYTES, "%.20s%s%s%s", state->state ? state->state : "unknown",
             state->since_ms ? " for " : "",
             state->since_ms ? moment_span((now - state->since_ms) / 1000, span) : "", ops);
    return text;
}

// What goes into a command line as it is; the rest is left to the reader.
static const char *plain_or(const char *text, const char *otherwise)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(":/._-", *c))
            return otherwise;
    return text;
}

char *workplace_renewal(const struct connection *connection)
{
    return mem_printf("opengeni-agent connect --force --api-url %s --workspace-id %s",
                      connection->legacy_origin ? "URL" : plain_or(connection->api_url, "URL"),
                      plain_or(connection->workspace_id, "ID"));
}

static void list_tokens(const struct connection *connection)
{
    char bearer[MOMENT_EXPIRY_BYTES], relay[MOMENT_EXPIRY_BYTES];
    int64_t now_s = clock_wall_ms() / 1000, at;
    say_field("credential", moment_expiry(connection->nats_bearer, now_s, bearer));
    if (*connection->relay_url &&
        strcmp(moment_expiry(connection->relay_token, now_s, relay), bearer) != 0)
        say_field("relay", relay);
    enum bearer_state state = bearer_read(connection->nats_bearer, now_s, &at);
    if (state == BEARER_VALID || state == BEARER_UNKNOWN)
        return;
    char *command = workplace_renewal(connection);
    say_field("renew with", command);
    mem_free(command);
}

static void list_operations(const struct status_connection *state)
{
    char span[MOMENT_BYTES], text[STATE_BYTES];
    int64_t now = clock_wall_ms();
    for (size_t i = 0; i < state->operation_count; i++) {
        const struct status_operation *operation = &state->operations[i];
        snprintf(text, sizeof text, "%.40s for %s", operation->op ? operation->op : "unknown",
                 moment_span((now - operation->since_ms) / 1000, span));
        say_field(i == 0 ? "running" : "", text);
    }
}

static void list_trouble(const struct status_connection *state)
{
    char span[MOMENT_BYTES];
    int64_t now = clock_wall_ms();
    if (!state->last_error_class)
        return;
    char *text = state->last_error_at_ms
                     ? mem_printf("%s (%s ago)", state->last_error_class,
                                  moment_span((now - state->last_error_at_ms) / 1000, span))
                     : mem_string(state->last_error_class);
    say_field("last error", text);
    mem_free(text);
    if (state->next_retry_ms > now) {
        char next[STATE_BYTES];
        snprintf(next, sizeof next, "in %s",
                 moment_span((state->next_retry_ms - now) / 1000, span));
        say_field("next try", next);
    }
}

static void list_valid(const struct workplace *place, const struct connection *connection)
{
    char state_room[STATE_BYTES];
    const struct status_connection *state = status_find(&place->live.status, connection->id);
    say("%s  %s%s", connection->id, connection->api_url,
        connection->legacy_origin ? "  (taken over; the origin is a guess)" : "");
    say_field("workspace", connection->workspace_id);
    say_field("agent", connection->agent_id);
    say_field("name", connection->machine_name);
    say_field("private CA", connection->ca_file);
    say_field("state", state                 ? state_text(state, state_room)
                       : place->live.reports ? "not served yet"
                       : place->live.running ? "unknown"
                                             : "not running");
    if (state) {
        list_operations(state);
        list_trouble(state);
    }
    list_tokens(connection);
}

static void list_invalid(const struct connections_entry *entry)
{
    say("%s  (invalid, not served)", entry->name);
    say_field("file", entry->path);
    say_field("problem", entry->reason);
}

void workplace_list(const struct workplace *place)
{
    for (size_t i = 0; i < place->connections.count; i++) {
        const struct connections_entry *entry = &place->connections.entries[i];
        if (i > 0)
            say("%s", "");
        if (entry->connection)
            list_valid(place, entry->connection);
        else
            list_invalid(entry);
    }
}

static json_t *expiry_json(const char *token)
{
    int64_t at;
    bearer_read(token, 0, &at);
    return at ? json_integer(at) : json_null();
}

static json_t *operations_json(const struct status_connection *state)
{
    json_t *list = json_array();
    for (size_t i = 0; i < state->operation_count; i++)
        json_array_append_new(list,
                              json_pack("{s:s?, s:I}", "op", state->operations[i].op, "since_ms",
                                        (json_int_t)state->operations[i].since_ms));
    return list;
}

// What the running agent says of it; members are null where it says nothing.
static void add_live(json_t *to, const struct status_connection *state)
{
    static const struct status_connection silent;
    const struct status_connection *from = state ? state : &silent;
    json_t *live = json_pack(
        "{s:s?, s:I, s:I, s:I, s:s?, s:I, s:I, s:I, s:o}", "state", from->state, "since_ms",
        (json_int_t)from->since_ms, "attempt", (json_int_t)from->attempt, "next_retry_ms",
        (json_int_t)from->next_retry_ms, "last_error", from->last_error_class, "last_error_at_ms",
        (json_int_t)from->last_error_at_ms, "heartbeats_sent", (json_int_t)from->heartbeats_sent,
        "ops_running", (json_int_t)from->ops_running, "operations", operations_json(from));
    json_object_update(to, live);
    json_decref(live);
}

static json_t *valid_json(const struct workplace *place, const struct connections_entry *entry)
{
    const struct connection *c = entry->connection;
    json_t *json =
        json_pack("{s:s, s:b, s:s, s:s, s:b, s:s, s:s, s:s?, s:o, s:o}", "id", c->id, "valid", 1,
                  "file", entry->path, "api_url", c->api_url, "legacy_origin", c->legacy_origin,
                  "workspace_id", c->workspace_id, "agent_id", c->agent_id, "machine_name",
                  c->machine_name, "bearer_expires_at", expiry_json(c->nats_bearer),
                  "relay_expires_at", expiry_json(c->relay_token));
    add_live(json, status_find(&place->live.status, c->id));
    return json;
}

json_t *workplace_json(const struct workplace *place)
{
    json_t *list = json_array();
    for (size_t i = 0; i < place->connections.count; i++) {
        const struct connections_entry *entry = &place->connections.entries[i];
        json_array_append_new(
            list, entry->connection ? valid_json(place, entry)
                                    : json_pack("{s:s, s:b, s:s, s:s}", "id", entry->name, "valid",
                                                0, "file", entry->path, "reason", entry->reason));
    }
    return list;
}

const char *workplace_starter(void)
{
    return service_manager_present() ? "opengeni-agent start" : "opengeni-agent run";
}

void workplace_explain_connecting(void)
{
    fflush(stdout);
    fputs("This machine is not connected to any workspace. Connect it with\n"
          "    opengeni-agent connect --workspace-id ID    (confirm in the browser), or\n"
          "    opengeni-agent connect --token TOKEN        (with a token from the console)\n",
          stderr);
}
