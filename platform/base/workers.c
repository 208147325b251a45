#include "base/workers.h"

#include <pthread.h>
#include <time.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/thread.h"

struct job {
    struct job *next;
    void (*run)(void *);
    void *argument;
};

// A worker that waits. The one that became idle last is woken first: its caches are warm, and the
// others can end.
struct idle {
    struct idle *next;
    pthread_cond_t wake;
    bool called;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t empty;                // a thread has ended
    struct job *first, **last, **urgent; // urgent: behind the last urgent one
    struct idle *idle;
    size_t threads, max;
    size_t coming; // woken or started, and not yet here
    bool closing;
};

struct workers *workers_new(size_t max)
{
    struct workers *workers = mem_new(struct workers);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->empty, NULL);
    workers->last = workers->urgent = &workers->first;
    workers->max = max;
    return workers;
}

static void leave_idle(struct workers *workers, struct idle *self)
{
    for (struct idle **p = &workers->idle; *p; p = &(*p)->next)
        if (*p == self) {
            *p = self->next;
            return;
        }
}

// Waits for a job as long as an idle worker may; false when it is time to end. A job may be gone
// again on return: a worker that became free has taken it.
static bool wait_for_job(struct workers *workers, struct idle *self)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WORKER_IDLE_MS / 1000;
    self->called = false;
    self->next = workers->idle;
    workers->idle = self;
    while (!self->called && !workers->first && !workers->closing) {
        bool may_end = workers->threads > 1;
        int late = may_end ? pthread_cond_timedwait(&self->wake, &workers->lock, &until)
                           : pthread_cond_wait(&self->wake, &workers->lock);
        if (late != 0 && !self->called && workers->threads > 1)
            break;
    }
    if (!self->called)
        leave_idle(workers, self);
    return self->called || workers->first;
}

static struct job *take(struct workers *workers)
{
    struct job *job = workers->first;
    workers->first = job->next;
    if (!workers->first)
        workers->last = &workers->first;
    if (workers->urgent == &job->next)
        workers->urgent = &workers->first;
    return job;
}

static void *work(void *argument);

// Sends for one worker when jobs wait and nobody is on the way: it sends for the next one before it
// runs its own job. So a burst of short jobs does not get a thread for each, and whoever submits
// them does not make the threads. Called with the lock held, which it gives up for a while. False
// when there is no worker at all.
static bool send_for_one(struct workers *workers)
{
    if (!workers->first || workers->coming > 0)
        return true;
    struct idle *idle = workers->idle;
    if (idle) {
        workers->idle = idle->next;
        workers->coming++;
        idle->called = true;
        pthread_cond_signal(&idle->wake);
        return true;
    }
    if (workers->threads >= workers->max)
        return true;
    workers->coming++;
    workers->threads++;
    pthread_mutex_unlock(&workers->lock);
    bool made = thread_start(work, workers, NULL);
    pthread_mutex_lock(&workers->lock);
    if (made)
        return true;
    workers->coming--;
    workers->threads--;
    pthread_cond_broadcast(&workers->empty);
    return workers->threads > 0;
}

static void *work(void *argument)
{
    struct workers *workers = argument;
    struct idle self = {.called = true}; // it was sent for
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self.wake, &attributes);
    pthread_condattr_destroy(&attributes);

    pthread_mutex_lock(&workers->lock);
    for (;;) {
        workers->coming -= self.called;
        self.called = false;
        if (!workers->first) {
            if (!wait_for_job(workers, &self) && (workers->closing || workers->threads > 1))
                break;
            continue;
        }
        struct job *job = take(workers);
        (void)send_for_one(workers);
        pthread_mutex_unlock(&workers->lock);
        job->run(job->argument);
        mem_free(job);
        pthread_mutex_lock(&workers->lock);
    }
    workers->threads--;
    pthread_cond_broadcast(&workers->empty);
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_destroy(&self.wake);
    return NULL;
}

static bool withdraw(struct workers *workers, const struct job *job)
{
    for (struct job **at = &workers->first; *at; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            if (workers->urgent == &job->next)
                workers->urgent = at;
            workers->last = &workers->first;
            while (*workers->last)
                workers->last = &(*workers->last)->next;
            return true;
        }
    return false;
}

static bool submit(struct workers *workers, void (*run)(void *), void *argument, bool urgent)
{
    struct job *job = mem_new(struct job);
    *job = (struct job){.run = run, .argument = argument};
    pthread_mutex_lock(&workers->lock);
    struct job **at = urgent ? workers->urgent : workers->last;
    job->next = *at;
    *at = job;
    if (!job->next)
        workers->last = &job->next;
    if (urgent)
        workers->urgent = &job->next;
    // Without any worker the job is still where it was put, or a worker came, took it and went.
    bool taken = send_for_one(workers) || !withdraw(workers, job);
    pthread_mutex_unlock(&workers->lock);
    if (!taken)
        mem_free(job);
    return taken;
}

bool workers_submit(struct workers *workers, void (*run)(void *), void *argument)
{
    return submit(workers, run, argument, false);
}

bool workers_submit_urgent(struct workers *workers, void (*run)(void *), void *argument)
{
    return submit(workers, run, argument, true);
}

size_t workers_threads(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    size_t threads = workers->threads;
    pthread_mutex_unlock(&workers->lock);
    return threads;
}

void workers_free(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->closing = true;
    for (struct idle *idle = workers->idle; idle; idle = idle->next)
        pthread_cond_signal(&idle->wake);
    while (workers->threads > 0)
        pthread_cond_wait(&workers->empty, &workers->lock);
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_destroy(&workers->empty);
    pthread_mutex_destroy(&workers->lock);
    mem_free(workers);
}
