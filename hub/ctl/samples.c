#include "ctl/samples.h"

#include <stdlib.h>

#include "base/alloc.h"

void samples_add(struct samples *samples, int64_t ns)
{
    if (samples->count == samples->room) {
        samples->room = samples->room ? samples->room * 2 : 256;
        samples->ns = mem_resize(samples->ns, samples->room * sizeof *samples->ns);
    }
    samples->ns[samples->count++] = ns;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct summary samples_summary(struct samples *samples)
{
    if (samples->count == 0)
        return (struct summary){0};
    qsort(samples->ns, samples->count, sizeof *samples->ns, by_size);
    size_t last = samples->count - 1;
    return (struct summary){.count = samples->count,
                            .p50_ns = samples->ns[last / 2],
                            .p99_ns = samples->ns[last * 99 / 100],
                            .max_ns = samples->ns[last]};
}

void samples_fini(struct samples *samples)
{
    mem_free(samples->ns);
    *samples = (struct samples){0};
}
