#include "link/backoff.h"

#include "base/limits.h"
#include "base/random.h"

int64_t backoff_ceiling(unsigned attempt, int64_t denied_ms)
{
    if (denied_ms >= BACKOFF_DENIED_AFTER_MS)
        return BACKOFF_DENIED_MS;
    if (attempt < BACKOFF_FAST_ATTEMPTS)
        return BACKOFF_FAST_MS;
    unsigned doublings = attempt - BACKOFF_FAST_ATTEMPTS;
    int64_t slow = doublings < 8 ? INT64_C(1000) << doublings : BACKOFF_SLOW_MS;
    return slow < BACKOFF_SLOW_MS ? slow : BACKOFF_SLOW_MS;
}

int64_t backoff_delay(unsigned attempt, int64_t denied_ms)
{
    return (int64_t)random_below((uint64_t)backoff_ceiling(attempt, denied_ms) + 1);
}
