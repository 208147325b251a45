// Who may run now. There is no policy limit on operations, only breakers far above ordinary load,
// taken from what the machine has (descriptors, processes, memory). Beyond a breaker a request
// waits its turn: round-robin over origins, first come first served within one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct workers;

enum admission_class { ADMISSION_LIGHT, ADMISSION_HEAVY, ADMISSION_CLASSES };

struct admission_limits {
    uint64_t running[ADMISSION_CLASSES]; // at once
    uint64_t bytes;                      // payload of requests that have not ended
};

// The limits of a machine with this much headroom (see host/capacity.h).
struct admission_limits admission_limits_for(uint64_t fd_headroom, uint64_t pid_headroom,
                                             uint64_t mem_available_bytes);

struct admission;

// Jobs run on workers, which must live longer.
struct admission *admission_new(struct workers *workers, struct admission_limits limits);
void admission_free(struct admission *admission);

// A job that waits or runs; embedded in what it is for.
struct admission_job {
    enum admission_class class;
    uint64_t origin;                     // whose turn it takes
    uint64_t bytes;                      // of payload it keeps in memory
    void (*run)(struct admission_job *); // on a worker; ends with admission_leave
    struct admission_job *next;          // internal
};

// Takes the job: runs it now or in its turn. False when a breaker refuses it; nothing has run then.
bool admission_enter(struct admission *admission, struct admission_job *job)
    __attribute__((warn_unused_result));

// The job's work has ended; its slot goes to the next one. The job itself is not touched again.
void admission_leave(struct admission *admission, const struct admission_job *job);

struct admission_counts {
    uint64_t running[ADMISSION_CLASSES], queued[ADMISSION_CLASSES];
    uint64_t entered; // jobs ever taken
};
struct admission_counts admission_counts(struct admission *admission);
