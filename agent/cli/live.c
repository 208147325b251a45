#include "cli/live.h"

#include "base/limits.h"
#include "config/instance_lock.h"

bool live_read(const struct secure_dir *config, struct live *live, struct fail *why)
{
    *live = (struct live){0};
    arena_init(&live->arena, STATUS_BYTES_MAX);
    enum instance_lock lock = instance_lock_probe(config, &live->pid, why);
    live->running = lock == LOCK_HELD;
    // Only the holder of the lock speaks for now: a file that was left behind does not.
    live->reports = live->running && status_file_read(config, &live->arena, &live->status, NULL) &&
                    live->status.pid == live->pid;
    if (!live->reports)
        live->status = (struct status){0};
    return lock != LOCK_FAILED;
}

void live_fini(struct live *live)
{
    arena_fini(&live->arena);
    *live = (struct live){0};
}
