// Threads that run one job each, top to bottom, in plain blocking code. The pool grows when all are
// busy, up to a maximum, and shrinks to one when idle.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct workers;

// max: threads at most; jobs beyond wait in arrival order.
struct workers *workers_new(size_t max);

// Waits until every job has ended.
void workers_free(struct workers *workers);

// Runs run(job) on a worker. False when no thread can be made and none exists; the job has then
// not been taken.
bool workers_submit(struct workers *workers, void (*run)(void *job), void *job)
    __attribute__((warn_unused_result));

// The same, ahead of all that is not urgent. For short work.
bool workers_submit_urgent(struct workers *workers, void (*run)(void *), void *job)
    __attribute__((warn_unused_result));

size_t workers_threads(struct workers *workers);
