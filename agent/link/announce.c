// What the link tells of itself: hello, heartbeats, goodbye.
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/utf8.h"
#include "desktop_client/desktop.h"
#include "host/capacity.h"
#include "host/machine.h"
#include "link/admission.h"
#include "link/link_private.h"
#include "ops/metrics.h"
#include "ops/op.h"
#include "proto/encode.h"
#include "upgrade/receipt.h"
#include "upgrade/upgrade.h"

enum { ANNOUNCE_ARENA_BYTES = 64 * 1024 };

// On every address that this session may publish on.
static void publish(struct link *link, struct session *session, bool legacy, bool hello,
                    const struct buffer *data)
{
    if (data->size > session_max_payload(session)) {
        log_error("an announcement does not fit into a message", "connection", link->id, "bytes",
                  log_num(data->size), NULL);
        return;
    }
    for (int i = 0; i < ADDRESSES; i++) {
        const struct address_subjects *at = &link->subjects.at[i];
        if (i != ADDRESS_LEGACY || legacy)
            session_publish(session, hello ? at->hello : at->events, data->data, data->size);
    }
}

static void send_message(struct link *link, struct session *session, bool hello,
                         const ProtobufCMessage *message)
{
    struct buffer data;
    buffer_init(&data, ANNOUNCE_BYTES_MAX);
    if (encode_append(message, &data))
        publish(link, session, link->legacy, hello, &data);
    buffer_fini(&data);
}

static void send_event(struct link *link, struct session *session, Og__AgentEvent *event)
{
    event->agent_id = link->connection->agent_id;
    send_message(link, session, false, &event->base);
}

// A text for a string field: the arena's repaired copy where it is not valid UTF-8.
static char *text(struct arena *arena, const char *value)
{
    const char *valid = utf8_repair(arena, value);
    return (char *)(valid ? valid : "");
}

// An older control plane takes a display that is named for one to use. The texts stay the state's.
static void describe_desktop(const struct desktop_state *state, struct arena *arena,
                             Og__Display *display, Og__Capabilities *capabilities)
{
    if (!state->available) {
        capabilities->desktop_unavailable_reason = text(arena, state->reason);
        return;
    }
    display->id = text(arena, state->display);
    display->width = state->width;
    display->height = state->height;
    display->virtual_ = state->is_virtual;
    capabilities->display = display;
}

void link_send_hello(struct link *link)
{
    const struct link_shared *shared = link->shared;
    const struct connection *connection = link->connection;
    struct arena arena;
    arena_init(&arena, ANNOUNCE_ARENA_BYTES);
    Og__Capabilities capabilities = OG__CAPABILITIES__INIT;
    capabilities.exec = capabilities.filesystem = capabilities.git = true;
    bool has_relay = *connection->relay_url && *connection->relay_token;
    capabilities.pty = shared->host->terminals && has_relay;
    capabilities.consented_whole_machine = connection->consented_whole_machine;
    capabilities.consented_screen_control = connection->consented_screen_control;
    struct desktop_state desktop;
    desktop_describe(shared->host, &desktop); // looks now
    capabilities.desktop = shared->host->views && has_relay && desktop.available;
    Og__Display display = OG__DISPLAY__INIT;
    describe_desktop(&desktop, &arena, &display, &capabilities);
    Og__Hello hello = OG__HELLO__INIT;
    hello.agent_id = connection->agent_id;
    hello.workspace_id = connection->workspace_id;
    hello.agent_version = OG_VERSION;
    hello.os = OG__OS__OS_LINUX;
    hello.arch = (Og__Arch)machine_arch();
    hello.machine_name =
        text(&arena, connection->machine_name ? connection->machine_name : shared->machine_name);
    hello.workspace_root = text(&arena, shared->host->workspace_root);
    hello.capabilities = &capabilities;
    hello.update_channel = connection->update_channel;
    hello.resume_token = connection->resume_token;
    hello.binary_sha256 = (char *)shared->binary_sha256;
    hello.completed_update_operation_id = (char *)shared->receipt->operation_id;
    hello.completed_update_target_version = (char *)shared->receipt->target_version;
    hello.completed_update_binary_sha256 = (char *)shared->receipt->binary_sha256;
    send_message(link, link->session, true, &hello.base);
    arena_fini(&arena);
}

static void fill_capacity(const struct capacity_sample *from, Og__HostCapacitySample *to)
{
    to->mem_available_bytes = from->mem_available_bytes;
    to->disk_free_bytes = from->disk_free_bytes;
    to->fd_headroom = from->fd_headroom;
    to->pid_headroom = from->pid_headroom;
    to->nproc = from->nproc;
}

static void fill_admission(const struct admission_counts *from, Og__AdmissionTelemetry *to)
{
    to->light_running = from->running[ADMISSION_LIGHT];
    to->light_queued = from->queued[ADMISSION_LIGHT];
    to->heavy_running = from->running[ADMISSION_HEAVY];
    to->heavy_queued = from->queued[ADMISSION_HEAVY];
}

void link_send_heartbeat(struct link *link)
{
    const struct link_shared *shared = link->shared;
    int64_t now = clock_mono_ms();
    struct capacity_sample headroom;
    capacity_get(shared->capacity, &headroom);
    Og__Heartbeat heartbeat = OG__HEARTBEAT__INIT;
    Og__MetricsSample metrics = OG__METRICS_SAMPLE__INIT;
    Og__HostCapacitySample capacity = OG__HOST_CAPACITY_SAMPLE__INIT;
    Og__AdmissionTelemetry admission = OG__ADMISSION_TELEMETRY__INIT;
    struct admission_counts counts = admission_counts(shared->admission);
    fill_capacity(&headroom, &capacity);
    fill_admission(&counts, &admission);
    heartbeat.seq = ++link->heartbeat_sequence;
    heartbeat.uptime_ms = (uint64_t)(now - shared->started_ms);
    heartbeat.draining = upgrade_busy(shared->upgrade);
    heartbeat.metrics = &metrics;
    heartbeat.capacity = &capacity;
    heartbeat.admission = &admission;
    struct arena arena;
    arena_init(&arena, ANNOUNCE_ARENA_BYTES);
    metrics_message(shared->host->metrics, false, &arena, &metrics);
    Og__AgentEvent event = OG__AGENT_EVENT__INIT;
    event.event_case = OG__AGENT_EVENT__EVENT_HEARTBEAT;
    event.heartbeat = &heartbeat;
    send_event(link, link->session, &event);
    arena_fini(&arena);
    pthread_mutex_lock(&link->lock);
    link->status.heartbeats_sent = link->heartbeat_sequence;
    pthread_mutex_unlock(&link->lock);
}

void link_send_goodbye(struct link *link, struct session *session, enum link_leave reason)
{
    static char *const notes[] = {[LEAVE_USER_STOP] = "the agent stops serving this connection",
                                  [LEAVE_UPDATE] = "the agent restarts for an update",
                                  [LEAVE_HOST_SHUTDOWN] = "the machine shuts down"};
    Og__GoingOffline goodbye = OG__GOING_OFFLINE__INIT;
    goodbye.reason = (Og__GoingOfflineReason)reason;
    goodbye.message = notes[reason];
    Og__AgentEvent event = OG__AGENT_EVENT__INIT;
    event.event_case = OG__AGENT_EVENT__EVENT_GOING_OFFLINE;
    event.going_offline = &goodbye;
    send_event(link, session, &event);
}

// Like a reply: on the session that there is, or on the next one if that comes soon.
void link_tell_update(void *link_, const Og__AgentUpdateProgress *progress)
{
    struct link *link = link_;
    struct buffer data;
    Og__AgentEvent event = OG__AGENT_EVENT__INIT;
    event.event_case = OG__AGENT_EVENT__EVENT_AGENT_UPDATE_PROGRESS;
    event.agent_update_progress = (Og__AgentUpdateProgress *)progress;
    buffer_init(&data, ANNOUNCE_BYTES_MAX);
    pthread_mutex_lock(&link->lock);
    struct subjects subjects = link->subjects;
    bool legacy = link->legacy;
    event.agent_id = link->connection->agent_id;
    bool encoded = encode_append(&event.base, &data);
    pthread_mutex_unlock(&link->lock);
    for (int i = 0; encoded && i < ADDRESSES; i++)
        if (i != ADDRESS_LEGACY || legacy)
            link_reply(link, subjects.at[i].events, data.data, data.size,
                       clock_mono_ms() + LATE_REPLY_MS);
    buffer_fini(&data);
}
