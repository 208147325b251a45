#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "ctl/bench_private.h"

// As long as a machine's subject, "agent.<uuid>.<uuid>.rpc": the server's work grows with it.
enum { SUBJECT_SIZE = 6 + 36 + 1 + 36 + 4 };

struct echo {
    struct connection connection;
    natsSubscription *subscription;
    char subject[SUBJECT_SIZE + 1];
    char *large;
};

static void on_message(natsConnection *nats, natsSubscription *subscription, natsMsg *message,
                       void *closure)
{
    (void)subscription;
    const struct echo *echo = closure;
    const char *data = natsMsg_GetData(message);
    int size = natsMsg_GetDataLength(message);
    char kind = '\0';
    if (size > 0)
        kind = data[0];
    bool runs = kind == ECHO_SHELL || kind == ECHO_PROGRAM;
    if (runs && !spawn_once(kind == ECHO_SHELL ? bench_shell_argv : bench_program_argv, NULL))
        ; // no answer is answer enough
    else if (kind == ECHO_LARGE)
        natsConnection_Publish(nats, natsMsg_GetReply(message), echo->large, BENCH_READ_BYTES);
    else
        natsConnection_Publish(nats, natsMsg_GetReply(message), data, size);
    natsMsg_Destroy(message);
}

static natsStatus name_subject(struct echo *echo)
{
    natsInbox *inbox = NULL;
    natsStatus status = natsInbox_Create(&inbox);
    if (status != NATS_OK)
        return status;
    memset(echo->subject, 'x', SUBJECT_SIZE);
    int size = snprintf(echo->subject, sizeof echo->subject, "%s.", inbox);
    if ((size_t)size < SUBJECT_SIZE)
        echo->subject[size] = 'x';
    natsInbox_Destroy(inbox);
    return NATS_OK;
}

bool echo_new(const struct server *server, struct echo **out, struct fault *fault)
{
    struct echo *echo = mem_new(struct echo);
    echo->large = mem_array(BENCH_READ_BYTES, 1);
    bool ok = ctl_connect(server, "opengeni-ctl floor", &echo->connection, fault);
    if (ok) {
        natsStatus status = name_subject(echo);
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
    mem_free(echo->large);
    mem_free(echo);
}

const char *echo_subject(const struct echo *echo)
{
    return echo->subject;
}
