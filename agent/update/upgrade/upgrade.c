#include "upgrade/upgrade.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "update/version.h"
#include "upgrade/receipt.h"
#include "upgrade/updater.h"

struct upgrade {
    struct upgrade_setup setup;
    int ready; // eventfd
    atomic_bool busy, stopping;
    atomic_int child; // pid of the updater; 0: none

    // Of the update that goes on; written by upgrade_ask while nothing does, and read by both.
    char operation_id[UUID_BYTES];
    char target_version[VERSION_TEXT_BYTES];
    char channel[16];
    struct upgrade_link link;

    char sha256[RECEIPT_SHA256_BYTES]; // of the new daemon
    char *program, *trial;

    pthread_mutex_t mutex; // of the following
    struct upgrade_state state;
};

_Static_assert((size_t)UPGRADE_WORD_BYTES >= (size_t)UPDATER_WORD_BYTES &&
                   (size_t)UPGRADE_WORD_BYTES >= (size_t)VERSION_TEXT_BYTES,
               "a state holds every code and version");

static const char *at_rest(const struct upgrade *upgrade)
{
    return upgrade->setup.updater ? "idle" : "off";
}

struct upgrade *upgrade_new(const struct upgrade_setup *setup)
{
    struct upgrade *upgrade = mem_new(struct upgrade);
    upgrade->setup = *setup;
    upgrade->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&upgrade->mutex, NULL);
    snprintf(upgrade->state.state, sizeof upgrade->state.state, "%s",
             setup->trial ? "trial" : at_rest(upgrade));
    return upgrade;
}

void upgrade_state(struct upgrade *upgrade, struct upgrade_state *out)
{
    pthread_mutex_lock(&upgrade->mutex);
    *out = upgrade->state;
    pthread_mutex_unlock(&upgrade->mutex);
}

void upgrade_trial_passed(struct upgrade *upgrade)
{
    pthread_mutex_lock(&upgrade->mutex);
    if (strcmp(upgrade->state.state, "trial") == 0)
        snprintf(upgrade->state.state, sizeof upgrade->state.state, "%s", at_rest(upgrade));
    pthread_mutex_unlock(&upgrade->mutex);
    upgrade->setup.changed(upgrade->setup.argument);
}

// The stage as the owner reads it, by the name that it has in the protocol.
static void note(struct upgrade *upgrade, Og__AgentUpdateStage stage, const char *error_code)
{
    static const char *const words[] = {
        [OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_ACCEPTED] = "accepted",
        [OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_WAITING_FOR_IDLE] = "waiting_for_idle",
        [OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_DOWNLOADING] = "downloading",
        [OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_VERIFYING] = "verifying",
        [OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_APPLYING] = "applying",
        [OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_RESTARTING] = "restarting",
        [OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_FAILED] = "failed",
    };
    struct upgrade_state *state = &upgrade->state;
    pthread_mutex_lock(&upgrade->mutex);
    snprintf(state->state, sizeof state->state, "%s", words[stage]);
    snprintf(state->version, sizeof state->version, "%s", upgrade->target_version);
    snprintf(state->error, sizeof state->error, "%s", error_code ? error_code : "");
    pthread_mutex_unlock(&upgrade->mutex);
    upgrade->setup.changed(upgrade->setup.argument);
}

bool upgrade_busy(const struct upgrade *upgrade)
{
    return atomic_load(&upgrade->busy);
}

int upgrade_fd(const struct upgrade *upgrade)
{
    return upgrade->ready;
}

const char *upgrade_program(const struct upgrade *upgrade)
{
    return upgrade->program;
}

const char *upgrade_trial(const struct upgrade *upgrade)
{
    return upgrade->trial;
}

static void tell(struct upgrade *upgrade, Og__AgentUpdateStage stage, const char *error_code)
{
    Og__AgentUpdateProgress progress = OG__AGENT_UPDATE_PROGRESS__INIT;
    progress.operation_id = upgrade->operation_id;
    progress.target_version = upgrade->target_version;
    progress.stage = stage;
    if (stage == OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_RESTARTING)
        progress.expected_binary_sha256 = upgrade->sha256;
    if (error_code) {
        progress.error_code = (char *)error_code;
        progress.rolled_back = strstr(error_code, "_rolled_back") != NULL;
        progress.retryable = strcmp(error_code, "startup_preflight_failed_rolled_back") != 0;
    }
    note(upgrade, stage, error_code);
    upgrade->link.tell(upgrade->link.link, &progress);
}

// Until nothing runs any more; false when that takes too long.
static bool drain(struct upgrade *upgrade)
{
    int64_t until = clock_mono_ms() + UPDATE_DRAIN_MS;
    while (!upgrade->setup.idle(upgrade->setup.argument)) {
        if (clock_mono_ms() >= until || atomic_load(&upgrade->stopping))
            return false;
        clock_sleep_ms(UPDATE_DRAIN_LOOK_MS);
    }
    return true;
}

static void on_line(void *upgrade_, const char *word, const char *first, const char *second)
{
    static const struct {
        const char *word;
        Og__AgentUpdateStage stage;
    } steps[] = {{"downloading", OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_DOWNLOADING},
                 {"verifying", OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_VERIFYING},
                 {"applying", OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_APPLYING}};
    struct upgrade *upgrade = upgrade_;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strcmp(word, steps[i].word) == 0)
            tell(upgrade, steps[i].stage, NULL);
    if (strcmp(word, "installed") == 0 && receipt_is_sha256(first) && *second == '/') {
        memcpy(upgrade->sha256, first, sizeof upgrade->sha256);
        mem_free(upgrade->trial);
        upgrade->trial = mem_string(second);
    }
}

// The daemon lies beside the updater, by a path that leads to the version that is current.
static char *daemon_program(const char *updater)
{
    const char *slash = strrchr(updater, '/');
    return slash ? mem_printf("%.*s/opengeni-agentd", (int)(slash - updater), updater) : NULL;
}

static void fail(struct upgrade *upgrade, const char *code)
{
    log_warn("an update failed", "version", upgrade->target_version, "code", code, NULL);
    tell(upgrade, OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_FAILED, code);
    upgrade->link.drop(upgrade->link.link);
    atomic_store(&upgrade->busy, false);
}

static void *work(void *upgrade_)
{
    struct upgrade *upgrade = upgrade_;
    char code[UPDATER_WORD_BYTES] = "";
    log_info("updating", "version", upgrade->target_version, "operation", upgrade->operation_id,
             NULL);
    tell(upgrade, OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_ACCEPTED, NULL);
    tell(upgrade, OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_WAITING_FOR_IDLE, NULL);
    if (!drain(upgrade)) {
        fail(upgrade, "drain_timeout");
        return NULL;
    }
    const struct updater updater = {.program = upgrade->setup.updater,
                                    .config_dir = upgrade->setup.config_dir,
                                    .ca_file = upgrade->setup.ca_file,
                                    .version = upgrade->target_version,
                                    .channel = upgrade->channel,
                                    .operation_id = upgrade->operation_id,
                                    .child = &upgrade->child,
                                    .line = on_line,
                                    .argument = upgrade};
    if (!updater_run(&updater, code) || !upgrade->trial) {
        fail(upgrade, *code ? code : "update_worker_failed");
        return NULL;
    }
    upgrade->program = daemon_program(upgrade->setup.updater);
    tell(upgrade, OG__AGENT_UPDATE_STAGE__AGENT_UPDATE_STAGE_RESTARTING, NULL);
    // Still busy: nothing may begin that the restart would end.
    upgrade->link.drop(upgrade->link.link);
    if (eventfd_write(upgrade->ready, 1) != 0)
        log_error("the restart cannot be asked for", NULL);
    return NULL;
}

static bool refuse(struct upgrade_refusal *refusal, Og__ErrorCode code, bool retryable,
                   const char *failure_code, const char *message)
{
    *refusal = (struct upgrade_refusal){code, retryable, failure_code, message};
    return false;
}

static bool fits(const struct upgrade *upgrade, const Og__AgentUpdateApplyRequest *request)
{
    struct version version;
    return receipt_is_uuid(request->operation_id) &&
           version_parse(request->target_version, &version) &&
           (strcmp(request->channel, "stable") == 0 || strcmp(request->channel, "beta") == 0) &&
           (strncmp(request->release_base_url, "https://", 8) == 0 ||
            strncmp(request->release_base_url, "http://", 7) == 0) &&
           strcmp(request->expected_current_version, upgrade->setup.version) == 0 &&
           (!*request->expected_current_sha256 ||
            strcmp(request->expected_current_sha256, upgrade->setup.sha256) == 0);
}

static bool begin(struct upgrade *upgrade, const Og__AgentUpdateApplyRequest *request,
                  const struct upgrade_link *link)
{
    memcpy(upgrade->operation_id, request->operation_id, sizeof upgrade->operation_id);
    snprintf(upgrade->target_version, sizeof upgrade->target_version, "%s",
             request->target_version);
    snprintf(upgrade->channel, sizeof upgrade->channel, "%s", request->channel);
    upgrade->link = *link;
    upgrade->link.hold(link->link);
    atomic_store(&upgrade->busy, true);
    if (thread_start(work, upgrade, NULL))
        return true;
    atomic_store(&upgrade->busy, false);
    upgrade->link.drop(link->link);
    return false;
}

bool upgrade_ask(struct upgrade *upgrade, const Og__AgentUpdateApplyRequest *request,
                 const struct upgrade_link *link, Og__AgentUpdateApplyResponse *out,
                 struct upgrade_refusal *refusal)
{
    if (!upgrade->setup.updater)
        return refuse(refusal, OG__ERROR_CODE__ERROR_CODE_UNSUPPORTED, false,
                      "update_managed_by_package",
                      "agent_update_apply: the package manager updates this agent");
    if (!fits(upgrade, request))
        return refuse(refusal, OG__ERROR_CODE__ERROR_CODE_PROTOCOL, false,
                      "update_precondition_failed",
                      "agent_update_apply: the request does not fit this agent");
    bool again = strcmp(request->operation_id, upgrade->operation_id) == 0;
    if (upgrade_busy(upgrade) && !again)
        return refuse(refusal, OG__ERROR_CODE__ERROR_CODE_DRAINING, true,
                      "update_already_in_progress", "another update goes on");
    if (!upgrade_busy(upgrade) && !begin(upgrade, request, link))
        return refuse(refusal, OG__ERROR_CODE__ERROR_CODE_DRAINING, true,
                      "update_state_unavailable", "no update can be started now");
    out->accepted = true;
    out->operation_id = request->operation_id;
    out->current_version = (char *)upgrade->setup.version;
    out->current_sha256 = (char *)upgrade->setup.sha256;
    out->target_version = request->target_version;
    return true;
}

void upgrade_stop(struct upgrade *upgrade)
{
    atomic_store(&upgrade->stopping, true);
    int child = atomic_load(&upgrade->child);
    if (child > 0)
        kill(child, SIGKILL);
}
