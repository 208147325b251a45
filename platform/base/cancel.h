// A request to stop that many waiters can poll for: once fired it stays readable. Counted, because
// an operation may outlive the session that would cancel it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cancel;

struct cancel *cancel_new(void);     // for a start: no descriptor left is the end
struct cancel *cancel_try_new(void); // NULL when no descriptor is left
struct cancel *cancel_ref(struct cancel *cancel);
void cancel_unref(struct cancel *cancel); // NULL is accepted
void cancel_fire(struct cancel *cancel);
bool cancel_fired(const struct cancel *cancel);
int cancel_fd(const struct cancel *cancel); // readable from the moment it has fired

// Waits until moment fires. False when so many milliseconds have passed first, or when stop (which
// may be NULL) has fired.
bool cancel_wait(const struct cancel *moment, const struct cancel *stop, int64_t ms)
    __attribute__((warn_unused_result));
