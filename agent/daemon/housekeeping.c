#include "daemon/housekeeping.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/workers.h"
#include "daemon/footprint.h"
#include "host/capacity.h"
#include "host/metrics.h"
#include "link/admission.h"

struct housekeeping {
    struct workers *workers;
    struct metrics *metrics;
    struct capacity *capacity;
    int64_t capacity_at;  // of the sampling job alone
    atomic_bool sampling; // one that hangs is not started twice
    int64_t sample_at;
    uint64_t busy; // operations that have run since memory was last given back
    int64_t trim_at;
};

struct housekeeping *housekeeping_new(struct workers *workers, char *const *environment,
                                      const char *disk, const char *spool)
{
    struct housekeeping *housekeeping = mem_new(struct housekeeping);
    housekeeping->workers = workers;
    housekeeping->metrics =
        metrics_new(&(struct metrics_setup){.disk = disk, .environment = environment});
    metrics_refresh(housekeeping->metrics, 0);
    housekeeping->capacity = capacity_new(&(struct capacity_setup){.spool = spool});
    capacity_sample(housekeeping->capacity);
    housekeeping->capacity_at = clock_mono_ms() + CAPACITY_PERIOD_MS;
    housekeeping->sample_at = clock_mono_ms();
    housekeeping->trim_at = clock_mono_ms() + MEMORY_FIRST_TRIM_MS;
    return housekeeping;
}

struct metrics *housekeeping_metrics(struct housekeeping *housekeeping)
{
    return housekeeping->metrics;
}

struct capacity *housekeeping_capacity(struct housekeeping *housekeeping)
{
    return housekeeping->capacity;
}

int64_t housekeeping_next(const struct housekeeping *housekeeping)
{
    return housekeeping->sample_at;
}

static void sample(void *housekeeping_)
{
    struct housekeeping *housekeeping = housekeeping_;
    metrics_sample(housekeeping->metrics);
    if (clock_mono_ms() >= housekeeping->capacity_at) {
        housekeeping->capacity_at = clock_mono_ms() + CAPACITY_PERIOD_MS;
        capacity_sample(housekeeping->capacity);
    }
    atomic_store(&housekeeping->sampling, false);
}

// Some seconds after the start, and after the last operation: what either had needed is not kept
// for ever.
static void give_memory_back(struct housekeeping *housekeeping, struct admission *admission)
{
    struct admission_counts counts = admission_counts(admission);
    int64_t now = clock_mono_ms();
    if (counts.entered != housekeeping->busy) {
        housekeeping->busy = counts.entered;
        housekeeping->trim_at = now + MEMORY_TRIM_MS;
    } else if (housekeeping->trim_at && now >= housekeeping->trim_at) {
        housekeeping->trim_at = 0;
        footprint_trim();
    }
}

void housekeeping_run(struct housekeeping *housekeeping, struct admission *admission)
{
    int64_t now = clock_mono_ms();
    if (now < housekeeping->sample_at)
        return;
    housekeeping->sample_at += METRICS_PERIOD_MS;
    if (housekeeping->sample_at <= now)
        housekeeping->sample_at = now + METRICS_PERIOD_MS;
    if (!atomic_exchange(&housekeeping->sampling, true) &&
        !workers_submit(housekeeping->workers, sample, housekeeping))
        atomic_store(&housekeeping->sampling, false);
    give_memory_back(housekeeping, admission);
}
