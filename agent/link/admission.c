#include "link/admission.h"

#include <assert.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/starts.h"
#include "base/workers.h"

// The waiting jobs of one origin.
struct origin {
    struct origin *next; // in the ring of its class
    uint64_t id;
    struct admission_job *first, **last;
};

struct admission {
    pthread_mutex_t lock;
    struct workers *workers;
    struct admission_limits limits;
    uint64_t bytes;
    struct admission_counts counts;
    struct origin *turn[ADMISSION_CLASSES]; // the origin served last; its next one is due
};

struct admission_limits admission_limits_for(uint64_t fd_headroom, uint64_t pid_headroom,
                                             uint64_t mem_available_bytes)
{
    uint64_t by_fd = fd_headroom / 8, by_pid = pid_headroom / 2;
    uint64_t heavy = by_fd < by_pid ? by_fd : by_pid, light = fd_headroom / 2;
    uint64_t bytes = mem_available_bytes / 16;
    return (struct admission_limits){
        .running = {[ADMISSION_LIGHT] = light > RUNNING_MIN ? light : RUNNING_MIN,
                    [ADMISSION_HEAVY] = heavy > RUNNING_MIN ? heavy : RUNNING_MIN},
        .bytes = bytes > REQUESTS_PENDING_BYTES ? bytes : REQUESTS_PENDING_BYTES};
}

struct admission *admission_new(struct workers *workers, struct admission_limits limits)
{
    struct admission *admission = mem_new(struct admission);
    pthread_mutex_init(&admission->lock, NULL);
    admission->workers = workers;
    admission->limits = limits;
    return admission;
}

void admission_free(struct admission *admission)
{
    if (!admission)
        return;
    for (int i = 0; i < ADMISSION_CLASSES; i++)
        assert(admission->counts.running[i] == 0 && admission->counts.queued[i] == 0);
    pthread_mutex_destroy(&admission->lock);
    mem_free(admission);
}

static void run_job(void *job_)
{
    struct admission_job *job = job_;
    job->run(job);
}

static bool submit(struct admission *admission, struct admission_job *job)
{
    return job->class == ADMISSION_LIGHT ? workers_submit_urgent(admission->workers, run_job, job)
                                         : workers_submit(admission->workers, run_job, job);
}

static struct origin *origin_of(struct admission *admission, const struct admission_job *job)
{
    struct origin **turn = &admission->turn[job->class];
    struct origin *origin = *turn;
    if (origin) {
        do {
            if (origin->id == job->origin)
                return origin;
            origin = origin->next;
        } while (origin != *turn);
    }
    origin = mem_new(struct origin);
    origin->id = job->origin;
    origin->last = &origin->first;
    origin->next = *turn ? (*turn)->next : origin;
    if (*turn)
        (*turn)->next = origin;
    *turn = origin; // behind all others in the ring
    return origin;
}

static void enqueue(struct admission *admission, struct admission_job *job)
{
    struct origin *origin = origin_of(admission, job);
    job->next = NULL;
    *origin->last = job;
    origin->last = &job->next;
    admission->counts.queued[job->class]++;
}

static struct admission_job *dequeue(struct admission *admission, enum admission_class class)
{
    struct origin **turn = &admission->turn[class];
    if (!*turn)
        return NULL;
    struct origin *before = *turn, *origin = before->next;
    struct admission_job *job = origin->first;
    origin->first = job->next;
    *turn = origin;
    if (!origin->first) {
        before->next = origin->next;
        *turn = before == origin ? NULL : before;
        mem_free(origin);
    }
    admission->counts.queued[class]--;
    return job;
}

bool admission_enter(struct admission *admission, struct admission_job *job)
{
    enum admission_class class = job->class;
    bool taken = false;
    if (class == ADMISSION_LIGHT)
        starts_short_begin();
    pthread_mutex_lock(&admission->lock);
    if (admission->bytes + job->bytes > admission->limits.bytes && admission->bytes > 0)
        goto out;
    bool slot = admission->counts.running[class] < admission->limits.running[class];
    if (slot && !admission->turn[class]) {
        taken = submit(admission, job);
        admission->counts.running[class] += taken;
    } else if (admission->counts.queued[class] < QUEUED_MAX) {
        enqueue(admission, job);
        taken = true;
    }
    admission->bytes += taken ? job->bytes : 0;
    admission->counts.entered += taken;
out:
    pthread_mutex_unlock(&admission->lock);
    if (class == ADMISSION_LIGHT && !taken)
        starts_short_end();
    return taken;
}

void admission_leave(struct admission *admission, const struct admission_job *job)
{
    enum admission_class class = job->class;
    pthread_mutex_lock(&admission->lock);
    admission->bytes -= job->bytes;
    struct admission_job *next = dequeue(admission, class);
    // The worker that calls this is about to be free, so a worker exists and takes the job.
    if (!next || !submit(admission, next))
        admission->counts.running[class]--;
    pthread_mutex_unlock(&admission->lock);
    if (class == ADMISSION_LIGHT)
        starts_short_end();
}

struct admission_counts admission_counts(struct admission *admission)
{
    pthread_mutex_lock(&admission->lock);
    struct admission_counts counts = admission->counts;
    pthread_mutex_unlock(&admission->lock);
    return counts;
}
