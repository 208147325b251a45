// Everything at once: many commands that sleep, many small file operations and pings, while a probe
// on a connection of its own keeps asking whether the agent still answers promptly.
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/limits.h"
#include "ctl/bench_private.h"
#include "ctl/interrupt.h"

enum { PROBE_PAUSE_MS = 2, KINDS = 4, FLOOD_MS = 60000 };

struct probe {
    struct connection connection;
    struct rpc *rpc;
    const char *subject;
    struct samples samples;
    atomic_bool stop;
    pthread_t thread;
};

static void probe_once(struct probe *probe)
{
    struct bench_request ping;
    bench_ping(&ping);
    struct call *call;
    struct fault fault;
    if (!rpc_send(probe->rpc, probe->subject, &ping.message, &call, &fault))
        return;
    if (rpc_wait(probe->rpc, call, clock_mono_ms() + CTL_CALL_MS, &fault))
        samples_add(&probe->samples, call->arrived_ns - call->sent_ns);
    rpc_drop(probe->rpc, call);
}

static void *probe_run(void *probe_)
{
    struct probe *probe = probe_;
    while (!atomic_load(&probe->stop) && !interrupted()) {
        probe_once(probe);
        clock_sleep_ms(PROBE_PAUSE_MS);
    }
    return NULL;
}

static bool probe_start(struct probe *probe, struct bench *bench, struct fault *fault)
{
    *probe = (struct probe){.subject = bench->ctl->machine.subject};
    if (!ctl_connect(&bench->ctl->server, "opengeni-ctl probe", &probe->connection, fault))
        return false;
    bool ok = rpc_new(probe->connection.nats, &probe->rpc, fault);
    if (ok && pthread_create(&probe->thread, NULL, probe_run, probe) != 0)
        ok = fault_set(fault, FAULT_LOCAL, "no thread for the probe");
    if (!ok) {
        ctl_disconnect(&probe->connection);
        rpc_free(probe->rpc);
    }
    return ok;
}

static void probe_stop(struct probe *probe)
{
    atomic_store(&probe->stop, true);
    pthread_join(probe->thread, NULL);
    ctl_disconnect(&probe->connection);
    rpc_free(probe->rpc);
}

static bool send_all(struct bench *bench, size_t *sent, struct fault *fault)
{
    struct bench_request requests[KINDS];
    bench_shell(bench, "sleep 0.5", &requests[0]);
    bench_stat(bench, &requests[1]);
    bench_list(bench, &requests[2]);
    bench_ping(&requests[3]);
    for (int i = 0; i < BENCH_FLOOD; i++)
        for (uint64_t kind = 0; kind < KINDS; kind++) {
            struct call *call;
            if (!rpc_send(bench->ctl->rpc, bench->ctl->machine.subject, &requests[kind].message,
                          &call, fault))
                return false;
            call->tag = kind;
            (*sent)++;
        }
    return true;
}

static bool collect(struct bench *bench, size_t count, struct samples *samples, struct fault *fault)
{
    int64_t until = clock_mono_ms() + FLOOD_MS;
    for (size_t i = 0; i < count; i++) {
        struct call *call = rpc_any(bench->ctl->rpc, until, fault);
        if (!call)
            return false;
        int64_t ns = call->arrived_ns - call->sent_ns;
        uint64_t kind = call->tag;
        struct reply reply;
        struct fault refused;
        if (rpc_take(bench->ctl->rpc, call, &reply, &refused)) {
            samples_add(&samples[kind], ns);
            reply_fini(&reply);
        } else {
            bench->flood_failed++;
        }
    }
    return true;
}

bool bench_flood(struct bench *bench, struct fault *fault)
{
    static const char *const names[KINDS] = {"flood_exec", "flood_stat", "flood_list",
                                             "flood_ping"};
    struct samples samples[KINDS] = {0};
    struct probe probe;
    if (!probe_start(&probe, bench, fault))
        return false;
    int64_t start_ns = rpc_now_ns();
    size_t sent = 0;
    bool ok = send_all(bench, &sent, fault) && collect(bench, sent, samples, fault);
    bench->flood_wall_ms = (double)(rpc_now_ns() - start_ns) / 1e6;
    bench->flooded = true;
    probe_stop(&probe);
    for (int kind = 0; kind < KINDS; kind++)
        bench_result(bench, names[kind], NULL, &samples[kind]);
    bench_result(bench, "flood_probe", NULL, &probe.samples);
    return ok;
}
