// An AgentError under construction. It lives in its maker's memory, so that an error can be told
// even when the arena of the request is full.
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "proto/opengeni_agent.pb-c.h"

struct arena;

struct agent_error {
    Og__AgentError wire; // for response->error or StreamOpenAck.error
    Og__AgentError__DetailEntry entries[AGENT_ERROR_DETAILS_MAX];
    Og__AgentError__DetailEntry *details[AGENT_ERROR_DETAILS_MAX];
    char numbers[AGENT_ERROR_DETAILS_MAX][24];
    struct arena *arena;
};

// Texts are not copied: they have to live until the error is encoded. What is not valid UTF-8 is
// repaired in the arena; when that is full, the text is left out. The struct must not be moved.
void agent_error_init(struct agent_error *error, struct arena *arena, Og__ErrorCode code,
                      bool retryable, const char *message);
void agent_error_detail(struct agent_error *error, const char *key, const char *value);
void agent_error_detail_number(struct agent_error *error, const char *key,
                               unsigned long long value);
