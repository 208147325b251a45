#include "ops/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "files/resolve.h"
#include "process/command.h"
#include "proto/encode.h"

bool run_directory(const struct op *op, const char *who, const char *cwd, const char **path,
                   struct fail *why)
{
    if (!path_resolve(op->arena, op->host->workspace_root, op->host->home, cwd, path, why))
        return false;
    char what[64];
    struct stat status;
    if (stat(*path, &status) != 0) {
        snprintf(what, sizeof what, "%s working directory", who);
        return fail_errno(why, errno, what, *path);
    }
    snprintf(what, sizeof what, "%s working directory is not a directory:", who);
    return S_ISDIR(status.st_mode) || fail_on_path(why, FAIL_NOT_DIR, what, *path);
}

bool run_policy(const Og__OperationResourcePolicy *policy, struct fail *why)
{
    if (!policy)
        return true;
    bool max =
        policy->memory_max_case == OG__OPERATION_RESOURCE_POLICY__MEMORY_MAX_MEMORY_MAX_BYTES;
    bool high =
        policy->memory_high_case == OG__OPERATION_RESOURCE_POLICY__MEMORY_HIGH_MEMORY_HIGH_BYTES;
    bool cpu = policy->cpu_max_case == OG__OPERATION_RESOURCE_POLICY__CPU_MAX_CPU_MAX_MILLICORES;
    if ((max && policy->memory_max_bytes == 0) || (high && policy->memory_high_bytes == 0) ||
        (cpu && policy->cpu_max_millicores == 0))
        return fail_because(why, FAIL_INVALID, "invalid operation resource policy: a limit is 0");
    if (max && high && policy->memory_high_bytes > policy->memory_max_bytes)
        return fail_because(why, FAIL_INVALID,
                            "invalid operation resource policy: memory_high is above memory_max");
    if (max || high || cpu)
        return fail_because(why, FAIL_UNSUPPORTED,
                            "resource limits cannot be enforced on this machine");
    return true;
}

static bool cancelled(const char *who, struct fail *why)
{
    return fail_because(why, FAIL_CANCELLED, "%s was stopped on request", who);
}

bool run_command(const struct op *op, const char *who, struct command *command,
                 struct command_result *result, struct fail *why)
{
    if (cancel_fired(op->cancel))
        return cancelled(who, why);
    command->cancel_fd = cancel_fd(op->cancel);
    command->output_max = op->reply_max; // more could not be sent
    command->kill_background = op->host->kill_background_jobs;
    if (!command_run(command, result, why)) {
        if (strcmp(why->what, "working directory") == 0)
            snprintf(why->what, sizeof why->what, "%s working directory", who);
        return false;
    }
    if (!result->cancelled)
        return true;
    command_result_fini(result);
    return cancelled(who, why);
}

static bool copy(const struct op *op, const struct buffer *from, ProtobufCBinaryData *to)
{
    to->len = from->size;
    to->data = arena_alloc(op->arena, from->size);
    if (to->data && from->size > 0)
        memcpy(to->data, from->data, from->size);
    return to->data != NULL;
}

bool run_reply(const struct op *op, const struct command_result *result,
               Og__ControlResponse *response, ProtobufCBinaryData *out, ProtobufCBinaryData *err,
               struct fail *why)
{
    // What was dropped counts, too: the size is what the reply would have been.
    err->len = result->err.size;
    out->len = result->output_size - result->err.size;
    size_t size = op->id_size + encode_size(&response->base);
    if (size > op->reply_max) {
        fail_too_large(why, size, op->reply_max);
        why->output = result->output_size;
        return false;
    }
    if (!copy(op, &result->out, out) || !copy(op, &result->err, err))
        return fail_errno(why, ENOMEM, "reply", NULL);
    return true;
}
