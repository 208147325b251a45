#include "proto/agent_error.h"

#include <assert.h>
#include <stdio.h>

#include "base/utf8.h"

static char *valid(struct agent_error *error, const char *text)
{
    const char *repaired = utf8_repair(error->arena, text);
    return (char *)(repaired ? repaired : protobuf_c_empty_string);
}

void agent_error_init(struct agent_error *error, struct arena *arena, Og__ErrorCode code,
                      bool retryable, const char *message)
{
    og__agent_error__init(&error->wire);
    error->arena = arena;
    error->wire.code = code;
    error->wire.message = valid(error, message);
    error->wire.retryable = retryable;
    error->wire.detail = error->details;
}

void agent_error_detail(struct agent_error *error, const char *key, const char *value)
{
    size_t n = error->wire.n_detail;
    assert(n < AGENT_ERROR_DETAILS_MAX);
    if (n >= AGENT_ERROR_DETAILS_MAX)
        return;
    Og__AgentError__DetailEntry *entry = &error->entries[n];
    og__agent_error__detail_entry__init(entry);
    entry->key = valid(error, key);
    entry->value = valid(error, value);
    error->details[n] = entry;
    error->wire.n_detail = n + 1;
}

void agent_error_detail_number(struct agent_error *error, const char *key, unsigned long long value)
{
    size_t n = error->wire.n_detail;
    assert(n < AGENT_ERROR_DETAILS_MAX);
    if (n >= AGENT_ERROR_DETAILS_MAX)
        return;
    snprintf(error->numbers[n], sizeof error->numbers[n], "%llu", value);
    agent_error_detail(error, key, error->numbers[n]);
}
