#include "ops/wire_error.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"

static const struct {
    Og__ErrorCode code;
    const char *prefix; // of the message
    bool retryable;
} kinds[] = {
    [FAIL_NONE] = {OG__ERROR_CODE__ERROR_CODE_OS, "os error", false},
    [FAIL_SYSTEM] = {OG__ERROR_CODE__ERROR_CODE_OS, "os error", false},
    [FAIL_INVALID] = {OG__ERROR_CODE__ERROR_CODE_OS, "os error", false},
    [FAIL_EXISTS] = {OG__ERROR_CODE__ERROR_CODE_OS, "os error", false},
    [FAIL_NOT_DIR] = {OG__ERROR_CODE__ERROR_CODE_OS, "os error", false},
    [FAIL_TOO_LARGE] = {OG__ERROR_CODE__ERROR_CODE_PAYLOAD_TOO_LARGE, "payload too large", false},
    [FAIL_UNSUPPORTED] = {OG__ERROR_CODE__ERROR_CODE_UNSUPPORTED, "unsupported operation", false},
    [FAIL_CONSENT] = {OG__ERROR_CODE__ERROR_CODE_CONSENT_REQUIRED, "consent required", false},
    [FAIL_BUSY] = {OG__ERROR_CODE__ERROR_CODE_DRAINING, "busy", true},
    [FAIL_CANCELLED] = {OG__ERROR_CODE__ERROR_CODE_OS, "cancelled", false},
    [FAIL_TIMEOUT] = {OG__ERROR_CODE__ERROR_CODE_TIMEOUT, "timed out", true},
    [FAIL_PROTOCOL] = {OG__ERROR_CODE__ERROR_CODE_PROTOCOL, "protocol error", false},
    [FAIL_STREAM] = {OG__ERROR_CODE__ERROR_CODE_STREAM, "stream error", false},
    [FAIL_STREAM_DOWN] = {OG__ERROR_CODE__ERROR_CODE_STREAM, "stream error", true},
    [FAIL_MISSING] = {OG__ERROR_CODE__ERROR_CODE_NOT_FOUND, "not found", false},
};

static const char *context_of(struct arena *arena, const struct fail *why)
{
    const char *context =
        arena_printf(arena, "%s%s%s", why->what, why->path[0] ? " " : "", why->path);
    return context ? context : "";
}

void wire_error(struct agent_error *error, struct arena *arena, const char *op,
                const struct fail *why)
{
    // A file that is not there is the one system error that callers handle as a case of its own.
    bool missing = why->kind == FAIL_SYSTEM && why->error == ENOENT;
    Og__ErrorCode code = missing ? OG__ERROR_CODE__ERROR_CODE_NOT_FOUND : kinds[why->kind].code;
    const char *prefix = missing ? "not found" : kinds[why->kind].prefix;
    bool input = strcmp(op, "desktop_input") == 0;
    const char *context = context_of(arena, why);
    const char *description = why->error ? strerrordesc_np(why->error) : NULL;
    const char *message =
        why->error ? arena_printf(arena, "%s: %s: %s (os error %d)", prefix, context,
                                  description ? description : "unknown error", why->error)
                   : arena_printf(arena, "%s: %s", prefix, context);
    if (input && why->kind == FAIL_CONSENT)
        message = context; // as control planes know it
    // Input that is late may have been made: it must not be made twice.
    bool retryable = kinds[why->kind].retryable && !(input && why->kind == FAIL_TIMEOUT);
    agent_error_init(error, arena, code, retryable, message ? message : prefix);
    switch (why->kind) {
    case FAIL_INVALID:
        if (!why->error)
            break;
        // fall through
    case FAIL_SYSTEM:
        agent_error_detail(error, "context", context);
        if (why->error)
            agent_error_detail_number(error, "errno", (unsigned)why->error);
        break;
    case FAIL_NOT_DIR:
        agent_error_detail(error, "path", why->path);
        break;
    case FAIL_MISSING:
        if (why->ended)
            agent_error_detail_number(error, "exit_code", (unsigned)why->ended - 1);
        break;
    case FAIL_TOO_LARGE:
        agent_error_detail(error, "op", op);
        agent_error_detail_number(error, "encoded_bytes", why->size);
        agent_error_detail_number(error, "max_payload", why->size_max);
        if (why->output)
            agent_error_detail_number(error, "total_output_bytes", why->output);
        break;
    default:
        break;
    }
}
