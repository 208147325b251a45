// Whatever /proc and nvidia-smi print: figures stay finite and within their limits.
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "host/gpu.h"
#include "host/procfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    if (!buffer_append(&text, data, size))
        return 0;

    struct cpu_times cpu, none = {0};
    struct load load;
    struct memory memory;
    if (procfs_cpu(text.data, &cpu)) {
        double percent = procfs_cpu_percent(&none, &cpu);
        assert(cpu.busy <= cpu.total && percent >= 0 && percent <= 100);
    }
    if (procfs_load(text.data, &load))
        for (int i = 0; i < 3; i++)
            assert(isfinite(load.average[i]) && load.average[i] >= 0);
    (void)!procfs_memory(text.data, &memory);

    struct gpu gpus[4];
    size_t count = gpu_parse(text.data, gpus, 4);
    assert(count <= 4);
    for (size_t i = 0; i < count; i++) {
        assert(utf8_valid(gpus[i].name, strlen(gpus[i].name)));
        assert(gpus[i].util_percent >= 0 && gpus[i].util_percent <= 100);
        assert(gpus[i].mem_used_bytes <= METRIC_MAX && gpus[i].mem_total_bytes <= METRIC_MAX);
    }
    buffer_fini(&text);
    return 0;
}
