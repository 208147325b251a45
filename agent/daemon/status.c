#include "daemon/status.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/notify.h"
#include "config/bearer.h"
#include "config/connection.h"
#include "config/status_file.h"
#include "daemon/links.h"
#include "desktop_client/desktop.h"
#include "ops/op.h"
#include "ops/terminals.h"
#include "upgrade/upgrade.h"

struct status_writer {
    const struct secure_dir *config;
    const struct link_shared *shared;
    int fd;
    int64_t started_ms, written_ms; // unix time; clock_mono_ms
    int64_t due_ms;
};

struct status_writer *status_writer_new(const struct secure_dir *config,
                                        const struct link_shared *shared)
{
    struct status_writer *writer = mem_new(struct status_writer);
    *writer = (struct status_writer){.config = config,
                                     .shared = shared,
                                     .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                     .started_ms = clock_wall_ms()};
    return writer;
}

void status_writer_poke(void *writer)
{
    (void)!write(((struct status_writer *)writer)->fd, &(uint64_t){1}, sizeof(uint64_t));
}

void status_writer_ask(struct status_writer *writer)
{
    writer->due_ms = clock_mono_ms();
}

int status_writer_fd(const struct status_writer *writer)
{
    return writer->fd;
}

int64_t status_writer_next(const struct status_writer *writer)
{
    return writer->due_ms;
}

static const char *state_name(enum link_state state)
{
    static const char *const names[] = {
        [LINK_CONNECTING] = "connecting", [LINK_ONLINE] = "online",     [LINK_BACKOFF] = "backoff",
        [LINK_DENIED] = "auth_denied",    [LINK_STOPPING] = "stopping", [LINK_GONE] = "stopping",
    };
    return names[state];
}

// What a file holds of all links.
struct snapshot {
    struct status_connection *connections;
    struct link_status *links; // texts of the former
    struct status_operation (*operations)[LINK_RUNNING_SHOWN];
    size_t count;
};

static void add(void *snapshot_, const struct connection *connection, struct link *link)
{
    struct snapshot *snapshot = snapshot_;
    struct link_status *status = &snapshot->links[snapshot->count];
    struct status_operation *operations = snapshot->operations[snapshot->count];
    link_status(link, status);
    for (size_t i = 0; i < status->running_count; i++)
        operations[i] =
            (struct status_operation){status->running[i].name, status->running[i].since_ms};
    int64_t now_s = clock_wall_ms() / 1000, bearer = 0, relay = 0;
    bearer_read(connection->nats_bearer, now_s, &bearer);
    bearer_read(connection->relay_token, now_s, &relay);
    snapshot->connections[snapshot->count++] = (struct status_connection){
        .id = connection->id,
        .api_url = connection->api_url,
        .workspace_id = connection->workspace_id,
        .agent_id = connection->agent_id,
        .state = state_name(status->state),
        .last_error_class = *status->last_error ? status->last_error : NULL,
        .last_error_at_ms = status->last_error_ms,
        .since_ms = status->since_ms,
        .next_retry_ms = status->next_retry_ms,
        .attempt = status->attempt,
        .bearer_expires_at = bearer,
        .relay_expires_at = relay,
        .heartbeats_sent = (int64_t)status->heartbeats_sent,
        .ops_running = (int64_t)status->operations_running,
        .operations = operations,
        .operation_count = status->running_count,
    };
}

static struct snapshot take(struct links *links)
{
    size_t count = links_count(links);
    struct snapshot snapshot = {.connections = mem_array(count, sizeof *snapshot.connections),
                                .links = mem_array(count, sizeof *snapshot.links),
                                .operations = mem_array(count, sizeof *snapshot.operations)};
    links_visit(links, add, &snapshot);
    return snapshot;
}

static void snapshot_fini(struct snapshot *snapshot)
{
    mem_free(snapshot->connections);
    mem_free(snapshot->links);
    mem_free(snapshot->operations);
}

enum { DISPLAY_TEXT_BYTES = DESKTOP_REASON_BYTES_MAX + 32 };

// "none", the geometry, or why a display that exists cannot be used.
static const char *display_text(const struct op_host *host, char text[DISPLAY_TEXT_BYTES])
{
    struct desktop_state state;
    if (!host->desktop)
        return "none";
    desktop_known(host->desktop, &state);
    if (state.available)
        snprintf(text, DISPLAY_TEXT_BYTES, "%ux%u", state.width, state.height);
    else
        snprintf(text, DISPLAY_TEXT_BYTES, "%s", state.reason[0] ? state.reason : "none");
    return text;
}

static void write_file(struct status_writer *writer, const struct snapshot *snapshot)
{
    char display[DISPLAY_TEXT_BYTES];
    const struct op_host *host = writer->shared->host;
    struct upgrade_state update;
    upgrade_state(writer->shared->upgrade, &update);
    struct status status = {.pid = getpid(),
                            .version = OG_VERSION,
                            .binary_sha256 = writer->shared->binary_sha256,
                            .instance_id = writer->shared->instance_id,
                            .started_at_ms = writer->started_ms,
                            .updated_at_ms = clock_wall_ms(),
                            .lock_held = true,
                            .display = display_text(host, display),
                            .cgroup = "off",
                            .terminals = (int64_t)terminals_count(host->terminals),
                            .update_state = update.state,
                            .update_version = *update.version ? update.version : NULL,
                            .update_error = *update.error ? update.error : NULL,
                            .connections = snapshot->connections,
                            .connection_count = snapshot->count};
    struct fail why;
    if (!status_file_write(writer->config, &status, &why))
        log_warn("status.json cannot be written", "why", log_why(&why), NULL);
}

static void tell_manager(const struct snapshot *snapshot)
{
    char text[SERVICE_STATUS_BYTES];
    size_t online = 0;
    for (size_t i = 0; i < snapshot->count; i++)
        online += snapshot->links[i].state == LINK_ONLINE;
    if (snapshot->count == 0)
        snprintf(text, sizeof text, "STATUS=Waits for a connection (opengeni-agent connect)");
    else
        snprintf(text, sizeof text, "STATUS=%zu of %zu connections online", online,
                 snapshot->count);
    notify_manager(text);
}

void status_writer_run(struct status_writer *writer, struct links *links)
{
    int64_t now = clock_mono_ms();
    uint64_t pokes;
    if (read(writer->fd, &pokes, sizeof pokes) > 0) {
        int64_t soonest = writer->written_ms + STATUS_PERIOD_MIN_MS;
        int64_t due = writer->written_ms && soonest > now ? soonest : now;
        writer->due_ms = writer->due_ms && writer->due_ms < due ? writer->due_ms : due;
    }
    if (!writer->due_ms || now < writer->due_ms)
        return;
    struct snapshot snapshot = take(links);
    write_file(writer, &snapshot);
    tell_manager(&snapshot);
    snapshot_fini(&snapshot);
    writer->written_ms = now;
    writer->due_ms = 0;
}

void status_writer_end(struct status_writer *writer)
{
    write_file(writer, &(struct snapshot){0});
}

void status_writer_log(struct status_writer *writer, struct links *links)
{
    struct snapshot snapshot = take(links);
    log_info("state", "instance", writer->shared->instance_id, "connections",
             log_num(snapshot.count), NULL);
    for (size_t i = 0; i < snapshot.count; i++) {
        const struct status_connection *connection = &snapshot.connections[i];
        log_info("connection state", "connection", connection->id, "state", connection->state,
                 "attempt", log_num(connection->attempt), "heartbeats",
                 log_num(connection->heartbeats_sent), "operations",
                 log_num(connection->ops_running), "last_error", connection->last_error_class,
                 NULL);
    }
    snapshot_fini(&snapshot);
}
