// Requests to a machine that may take long, and those that the agent was too busy to begin.
#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "ctl/fault.h"
#include "ctl/interrupt.h"
#include "ctl/machine.h"

// Asks now and then whether the machine is still there, while a command runs on it. The pings have
// an inbox of their own, so that "nobody listens" is known to be said to them.
struct pulse {
    struct rpc *rpc; // NULL until the first ping
    struct call *ping;
    int64_t next_ms, heard_ms;
};

// A process that was there when it was last heard is at least as old as the time since.
static bool pulse_restarted(struct pulse *pulse, const Og__PingResponse *answer)
{
    int64_t now = clock_mono_ms(), since = now - pulse->heard_ms;
    pulse->heard_ms = now;
    return (int64_t)answer->agent_monotonic_ms + CTL_ALIVE_SLACK_MS < since;
}

static bool pulse_take(struct pulse *pulse, const struct machine *machine, struct fault *fault)
{
    struct reply reply;
    struct call *ping = pulse->ping;
    pulse->ping = NULL;
    if (!rpc_take(pulse->rpc, ping, &reply, fault)) {
        // An agent that loses its session ends what came in on a fenced address. What came in on
        // the other one goes on, and its answer comes with the next session.
        bool gone = machine->fenced && fault->kind == FAULT_OFFLINE;
        return !gone || fault_set(fault, FAULT_GONE, "has lost its connection while at work");
    }
    bool restarted = reply.message->result_case == OG__CONTROL_RESPONSE__RESULT_PING &&
                     pulse_restarted(pulse, reply.message->ping);
    reply_fini(&reply);
    return !restarted || fault_set(fault, FAULT_GONE, "the agent was restarted while at work");
}

static bool pulse_feel(struct pulse *pulse, const struct machine *machine, struct rpc *rpc,
                       struct fault *fault)
{
    int64_t now = clock_mono_ms();
    if (pulse->ping && (pulse->ping->arrived_ns || rpc_any(pulse->rpc, now, fault)) &&
        !pulse_take(pulse, machine, fault))
        return false;
    if (now - pulse->heard_ms > CTL_ALIVE_LOST_MS)
        return fault_set(fault, FAULT_GONE, "has not answered a ping for %d s",
                         CTL_ALIVE_LOST_MS / 1000);
    if (now < pulse->next_ms)
        return true;
    if (!pulse->rpc && !rpc_beside(rpc, &pulse->rpc, fault))
        return false;
    pulse->next_ms = now + CTL_ALIVE_MS;
    rpc_drop(pulse->rpc, pulse->ping);
    pulse->ping = NULL;
    Og__PingRequest body = OG__PING_REQUEST__INIT;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_PING;
    request.ping = &body;
    struct fault unsent;
    (void)!rpc_send(pulse->rpc, machine->subject, &request, &pulse->ping, &unsent);
    return true;
}

static bool wait_while_alive(const struct machine *machine, struct rpc *rpc, struct call *call,
                             struct fault *fault)
{
    int64_t now = clock_mono_ms();
    struct pulse pulse = {.next_ms = now + CTL_ALIVE_FIRST_MS, .heard_ms = now};
    bool answered = false;
    while (!(answered = rpc_wait(rpc, call, clock_mono_ms() + CTL_WAIT_SLICE_MS, fault)) &&
           fault->kind == FAULT_TIMEOUT && pulse_feel(&pulse, machine, rpc, fault))
        if (machine->fenced && rpc_shaken(rpc, call)) {
            fault_set(fault, FAULT_SERVER,
                      "the connection was lost while the command ran, which may have ended it");
            break;
        }
    rpc_drop(pulse.rpc, pulse.ping);
    return answered;
}

static bool call_once(const struct machine *machine, struct rpc *rpc,
                      const Og__ControlRequest *request, int64_t timeout_ms, struct reply *reply,
                      struct fault *fault)
{
    struct call *call;
    if (!rpc_send(rpc, machine->subject, request, &call, fault))
        return false;
    bool answered = timeout_ms > 0 ? rpc_wait(rpc, call, clock_mono_ms() + timeout_ms, fault)
                                   : wait_while_alive(machine, rpc, call, fault);
    if (answered) {
        if (!rpc_take(rpc, call, reply, fault))
            return false;
        // The operations that are used here have the number of their result.
        if ((int)reply->message->result_case == (int)request->op_case)
            return true;
        reply_fini(reply);
        return fault_set(fault, FAULT_LOCAL, "the answer is to another operation");
    }
    bool shaken = rpc_shaken(rpc, call);
    rpc_drop(rpc, call);
    if (fault->kind == FAULT_TIMEOUT && shaken)
        fault_set(fault, FAULT_TIMEOUT, "no answer: the connection was lost meanwhile");
    else if (fault->kind == FAULT_TIMEOUT)
        fault_set(fault, FAULT_TIMEOUT, "no answer within %g s", (double)timeout_ms / 1000);
    return false;
}

static void back_off(unsigned attempt)
{
    int64_t ceiling = (int64_t)CTL_BACKOFF_MS << attempt;
    if (ceiling > CTL_BACKOFF_MS_MAX)
        ceiling = CTL_BACKOFF_MS_MAX;
    interrupt_sleep((int64_t)random_below((uint64_t)ceiling));
}

bool machine_call(const struct machine *machine, struct rpc *rpc, const Og__ControlRequest *request,
                  const struct call_options *options, struct reply *reply, struct fault *fault)
{
    unsigned tries = options->tries ? options->tries : CTL_TRIES;
    for (unsigned attempt = 0;; attempt++) {
        if (call_once(machine, rpc, request, options->timeout_ms, reply, fault))
            return true;
        // DRAINING means that nothing has begun; anything else may have.
        if (!fault_is(fault, OG__ERROR_CODE__ERROR_CODE_DRAINING) || attempt + 1 >= tries)
            return false;
        back_off(attempt);
    }
}
