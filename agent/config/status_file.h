// status.json: what the running agent tells other programs of its owner. No secrets, no commands.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/secure_dir.h"

struct arena;

// Texts may be NULL, which is written as null. Times are unix milliseconds, expiries unix seconds;
// 0 is not known.
struct status_operation {
    const char *op; // "exec"
    int64_t since_ms;
};

struct status_connection {
    const char *id, *api_url, *workspace_id, *agent_id;
    const char *state;            // connecting, online, backoff, auth_denied, stopping, invalid
    const char *last_error_class; // the latest trouble in words, also when it is over
    int64_t last_error_at_ms;
    int64_t since_ms, next_retry_ms;
    int64_t attempt;
    int64_t bearer_expires_at, relay_expires_at;
    int64_t heartbeats_sent, ops_running;
    struct status_operation *operations; // the oldest of those that run
    size_t operation_count;
};

struct status {
    pid_t pid;
    const char *version, *binary_sha256, *instance_id;
    int64_t started_at_ms, updated_at_ms;
    bool lock_held;
    const char *display;        // "none", the geometry, or why there is none
    const char *cgroup;         // "off", "memory", "memory+cpu"
    int64_t terminals;          // open now
    const char *update_state;   // off, idle, trial, failed, or its stage: "downloading"
    const char *update_version; // that it leads to
    const char *update_error;   // why it failed
    struct status_connection *connections;
    size_t connection_count;
};

bool status_file_write(const struct secure_dir *config, const struct status *status,
                       struct fail *why) __attribute__((warn_unused_result));

// Everything read lives in the arena; an arena of STATUS_BYTES_MAX holds any. A missing file fails
// with ENOENT. What is read may be of a dead process: only when its pid holds the lock
// (config/instance_lock.h) does it tell about now.
bool status_file_read(const struct secure_dir *config, struct arena *arena, struct status *status,
                      struct fail *why) __attribute__((warn_unused_result));

// The connection of that id, NULL when there is none.
const struct status_connection *status_find(const struct status *status, const char *id);
