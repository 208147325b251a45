#include "relay/prepare.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/thread.h"
#include "relay/stream_thread.h"
#include "relay/tls.h"

struct job {
    char *host, *ca_file;
    uint16_t port;
    bool tls;
    void (*done)(void *owner, struct preparation *result);
    void *owner;
    struct preparation result;
};

static void job_free(struct job *job)
{
    mem_free(job->host);
    mem_free(job->ca_file);
    mem_free(job);
}

static void report(void *job_)
{
    struct job *job = job_;
    job->done(job->owner, &job->result);
    job_free(job);
}

static void *work(void *job_)
{
    struct job *job = job_;
    struct preparation *result = &job->result;
    result->good = resolve(job->host, job->port, &result->addresses, &result->why);
    if (result->good && job->tls) {
        result->trust = tls_trust(job->ca_file, &result->why);
        result->good = result->trust != NULL;
    }
    if (!stream_post(report, job)) { // the agent is ending
        X509_STORE_free(result->trust);
        job_free(job);
    }
    return NULL;
}

void prepare(const char *host, uint16_t port, bool tls, const char *ca_file,
             void (*done)(void *owner, struct preparation *result), void *owner)
{
    struct job *job = mem_new(struct job);
    *job = (struct job){.host = mem_string(host),
                        .ca_file = ca_file ? mem_string(ca_file) : NULL,
                        .port = port,
                        .tls = tls,
                        .done = done,
                        .owner = owner};
    if (strlen(host) > WS_HOST_BYTES_MAX) // libwebsockets would check a certificate for less
        fail_because(&job->result.why, FAIL_INVALID, "the host's name is too long");
    else if (thread_start(work, job, NULL))
        return;
    else
        fail_because(&job->result.why, FAIL_SYSTEM, "no thread for the look-up of a name");
    if (!stream_post(report, job))
        job_free(job);
}
