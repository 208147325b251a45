#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/units.h"

enum { OPTION_COUNT = 'c', OPTION_INTERVAL = 'i', COUNT_DEFAULT = 4 };

struct pings {
    uint64_t sent, answered;
    double least, most, sum; // milliseconds
};

static void note(struct pings *pings, double ms)
{
    pings->answered++;
    pings->sum += ms;
    if (pings->answered == 1 || ms < pings->least)
        pings->least = ms;
    if (ms > pings->most)
        pings->most = ms;
}

// One ping; false with a fault when there was no right answer.
static bool once(struct ctl *ctl, struct pings *pings, struct fault *fault)
{
    Og__PingRequest body = OG__PING_REQUEST__INIT;
    random_bytes(&body.nonce, sizeof body.nonce);
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_PING;
    request.ping = &body;
    struct call *call;
    pings->sent++;
    if (!rpc_send(ctl->rpc, ctl->machine.subject, &request, &call, fault))
        return false;
    if (!rpc_wait(ctl->rpc, call, clock_mono_ms() + ctl_timeout(ctl), fault)) {
        rpc_drop(ctl->rpc, call);
        return false;
    }
    double ms = (double)(call->arrived_ns - call->sent_ns) / 1e6;
    struct reply reply;
    if (!rpc_take(ctl->rpc, call, &reply, fault))
        return false;
    bool right = reply.message->result_case == OG__CONTROL_RESPONSE__RESULT_PING &&
                 reply.message->ping->nonce == body.nonce;
    if (right) {
        note(pings, ms);
        if (!ctl->json)
            printf("%s: answer %llu in %.3f ms, up %s\n", ctl->machine.label,
                   (unsigned long long)pings->sent, ms,
                   unit_age_text((int64_t)reply.message->ping->agent_monotonic_ms));
    }
    reply_fini(&reply);
    return right || fault_set(fault, FAULT_LOCAL, "the answer is to another ping");
}

static void summary(struct ctl *ctl, const struct pings *pings)
{
    double mean = pings->answered ? pings->sum / (double)pings->answered : 0;
    if (ctl->json)
        ctl_json(json_pack("{s:s, s:I, s:I, s:f, s:f, s:f}", "machine", ctl->machine.label, "sent",
                           (json_int_t)pings->sent, "answered", (json_int_t)pings->answered,
                           "min_ms", pings->least, "mean_ms", mean, "max_ms", pings->most));
    else if (pings->sent > 1)
        printf("%llu sent, %llu answered; least/mean/most %.3f/%.3f/%.3f ms\n",
               (unsigned long long)pings->sent, (unsigned long long)pings->answered, pings->least,
               mean, pings->most);
}

static int run(struct ctl *ctl, struct arguments *args)
{
    uint64_t count = COUNT_DEFAULT;
    int64_t interval_ms = 1000;
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return ctl->status;
        if (key == OPTION_COUNT && !arguments_count(value, UINT32_MAX, &count))
            return ctl_misuse(ctl, "--count needs a number");
        if (key == OPTION_INTERVAL && !arguments_seconds(value, &interval_ms))
            return ctl_misuse(ctl, "--interval needs a number of seconds");
    }
    if (!ctl_operands(ctl, args, 1, 1) || !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    struct pings pings = {0};
    interrupt_watch();
    while (!interrupted() && (count == 0 || pings.sent < count)) {
        if (pings.sent > 0)
            interrupt_sleep(interval_ms);
        struct fault fault;
        if (!interrupted() && !once(ctl, &pings, &fault) &&
            !(ctl_elsewhere(ctl, &fault) && once(ctl, &pings, &fault))) {
            ctl_fault(ctl, &fault);
            if (fault.kind == FAULT_SERVER)
                break;
        }
        fflush(stdout);
    }
    summary(ctl, &pings);
    return pings.answered == pings.sent ? STATUS_OK : ctl->status;
}

static const struct argument arguments[] = {
    {OPTION_COUNT, "count", "N", "so many pings (4); 0: until interrupted"},
    {OPTION_INTERVAL, "interval", "S", "seconds between them (1)"},
    {0},
};

const struct command command_ping = {
    .name = "ping",
    .operands = "MACHINE",
    .summary = "Ask a machine's agent whether it is there, and how fast",
    .arguments = arguments,
    .run = run,
};
