#include "ctl/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/printable.h"

bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
{
    *fault = (struct fault){.kind = kind, .exit_code = -1};
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    for (char *c = fault->text; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' '; // would be dropped, and words run into each other
    printable_strip(fault->text);
    return false;
}

bool fault_local(struct fault *fault, int error, const char *what, const char *path)
{
    return fault_set(fault, FAULT_LOCAL, "%s%s%s: %s", what, path ? " " : "", path ? path : "",
                     strerror(error));
}

bool fault_fail(struct fault *fault, enum fault_kind kind, const struct fail *why)
{
    char text[FAIL_TEXT_BYTES];
    return fault_set(fault, kind, "%s", fail_text(why, text, sizeof text));
}

static const char *code_name(Og__ErrorCode code)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&og__error_code__descriptor, (int)code);
    static const char prefix[] = "ERROR_CODE_";
    if (!value)
        return "UNKNOWN";
    return strncmp(value->name, prefix, sizeof prefix - 1) == 0 ? value->name + sizeof prefix - 1
                                                                : value->name;
}

static void add_detail(struct fault *fault, const char *key, const char *value)
{
    size_t used = strlen(fault->details);
    snprintf(fault->details + used, sizeof fault->details - used, " %s=%s", key, value);
}

bool fault_agent(struct fault *fault, const Og__AgentError *error)
{
    fault_set(fault, FAULT_AGENT, "%s",
              *error->message ? error->message : "failed without a reason");
    fault->code = error->code;
    fault->retryable = error->retryable;
    snprintf(fault->details, sizeof fault->details, "%s%s", code_name(error->code),
             error->retryable ? " retryable" : "");
    for (size_t i = 0; i < error->n_detail; i++) {
        const Og__AgentError__DetailEntry *entry = error->detail[i];
        if (strcmp(entry->key, "errno") == 0)
            fault->error = (int)strtol(entry->value, NULL, 10);
        if (strcmp(entry->key, "exit_code") == 0)
            fault->exit_code = (int)(strtol(entry->value, NULL, 10) & 0xff);
        add_detail(fault, entry->key, entry->value);
    }
    printable_strip(fault->details);
    return false;
}

bool fault_is(const struct fault *fault, Og__ErrorCode code)
{
    return fault->kind == FAULT_AGENT && fault->code == code;
}

static int status_of_start(const struct fault *fault)
{
    if (fault->kind == FAULT_TIMEOUT)
        return STATUS_TIMED_OUT;
    // The working directory may be what is missing; the agent's text tells them apart.
    if (fault_is(fault, OG__ERROR_CODE__ERROR_CODE_NOT_FOUND))
        return strstr(fault->text, "working directory") ? STATUS_NOT_STARTED : STATUS_NOT_FOUND;
    if (fault->kind == FAULT_AGENT && (fault->error == EACCES || fault->error == ENOEXEC))
        return STATUS_CANNOT_RUN;
    return STATUS_NOT_STARTED;
}

int fault_status(const struct fault *fault, bool runs)
{
    if (runs)
        return status_of_start(fault);
    switch (fault->kind) {
    case FAULT_NONE:
        return STATUS_OK;
    case FAULT_TIMEOUT:
        return STATUS_TIMED_OUT;
    case FAULT_OFFLINE:
    case FAULT_GONE:
    case FAULT_MACHINE:
        return STATUS_MACHINE;
    case FAULT_SERVER:
        return STATUS_SERVER;
    default:
        return STATUS_FAILED;
    }
}
