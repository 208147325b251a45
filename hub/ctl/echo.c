#include "base/alloc.h"
#include "base/limits.h"
#include "ctl/bench_private.h"

struct echo {
    struct connection connection;
    natsSubscription *subscription;
    natsInbox *subject;
    char *large;
};

static void on_message(natsConnection *nats, natsSubscription *subscription, natsMsg *message,
                       void *closure)
{
    (void)subscription;
    const struct echo *echo = closure;
    const char *data = natsMsg_GetData(message);
    int size = natsMsg_GetDataLength(message);
    if (size > 0 && data[0] == ECHO_LARGE)
        natsConnection_Publish(nats, natsMsg_GetReply(message), echo->large, BENCH_READ_BYTES);
    else
        natsConnection_Publish(nats, natsMsg_GetReply(message), data, size);
    natsMsg_Destroy(message);
}

bool echo_new(const struct server *server, struct echo **out, struct fault *fault)
{
    struct echo *echo = mem_new(struct echo);
    echo->large = mem_array(BENCH_READ_BYTES, 1);
    bool ok = ctl_connect(server, "opengeni-ctl floor", &echo->connection, fault);
    if (ok) {
        natsStatus status = natsInbox_Create(&echo->subject);
        if (status == NATS_OK)
            status = natsConnection_Subscribe(&echo->subscription, echo->connection.nats,
                                              echo->subject, on_message, echo);
        if (status == NATS_OK)
            status = natsConnection_Flush(echo->connection.nats);
        ok = status == NATS_OK ||
             fault_set(fault, FAULT_SERVER, "floor: %s", natsStatus_GetText(status));
    }
    if (!ok) {
        echo_free(echo);
        return false;
    }
    *out = echo;
    return true;
}

void echo_free(struct echo *echo)
{
    if (!echo)
        return;
    // Until the last callback has returned, which uses what is freed below.
    if (echo->subscription && natsSubscription_Drain(echo->subscription) == NATS_OK)
        natsSubscription_WaitForDrainCompletion(echo->subscription, CTL_DRAIN_MS);
    natsSubscription_Destroy(echo->subscription);
    ctl_disconnect(&echo->connection);
    natsInbox_Destroy(echo->subject);
    mem_free(echo->large);
    mem_free(echo);
}

const char *echo_subject(const struct echo *echo)
{
    return echo->subject;
}
