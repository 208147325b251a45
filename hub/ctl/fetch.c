#include "ctl/fetch.h"

#include "base/clock.h"
#include "base/limits.h"
#include "ctl/ctl.h"
#include "ctl/progress.h"

struct fetch {
    struct ctl *ctl;
    const char *path;
    size_t piece;                       // bytes asked for at a time
    uint64_t total;                     // of the file
    uint64_t next;                      // first byte that nobody has asked for
    uint64_t done;                      // bytes that the sink has
    struct call *ahead[CTL_READ_AHEAD]; // in order, from first on
    size_t first, count;
};

static Og__ControlRequest request_for(Og__FsReadRequest *body, const struct fetch *fetch,
                                      uint64_t offset, uint64_t length)
{
    og__fs_read_request__init(body);
    body->path = (char *)fetch->path;
    body->offset = offset;
    body->length = length;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_READ;
    request.fs_read = body;
    return request;
}

static bool read_now(struct fetch *fetch, uint64_t offset, uint64_t length, struct reply *reply,
                     struct fault *fault)
{
    Og__FsReadRequest body;
    Og__ControlRequest request = request_for(&body, fetch, offset, length);
    struct call_options options = {.timeout_ms = ctl_timeout(fetch->ctl)};
    return ctl_try(fetch->ctl, &request, &options, reply, fault);
}

// The first piece tells how large the file is, and whether pieces of that size can be had at all.
static bool read_first(struct fetch *fetch, struct reply *reply, struct fault *fault)
{
    for (;;) {
        if (read_now(fetch, 0, fetch->piece, reply, fault))
            return true;
        if (!fault_is(fault, OG__ERROR_CODE__ERROR_CODE_PAYLOAD_TOO_LARGE) ||
            fetch->piece <= CTL_PIECE_BYTES_MIN)
            return false;
        fetch->piece /= 2;
    }
}

static uint64_t length_at(const struct fetch *fetch, uint64_t offset)
{
    uint64_t left = fetch->total - offset;
    return left < fetch->piece ? left : fetch->piece;
}

static bool ask_ahead(struct fetch *fetch, struct fault *fault)
{
    while (fetch->count < CTL_READ_AHEAD && fetch->next < fetch->total) {
        uint64_t length = length_at(fetch, fetch->next);
        Og__FsReadRequest body;
        Og__ControlRequest request = request_for(&body, fetch, fetch->next, length);
        struct call **slot = &fetch->ahead[(fetch->first + fetch->count) % CTL_READ_AHEAD];
        if (!rpc_send(fetch->ctl->rpc, fetch->ctl->machine.subject, &request, slot, fault))
            return false;
        fetch->count++;
        fetch->next += length;
    }
    return true;
}

static bool read_next(struct fetch *fetch, struct reply *reply, struct fault *fault)
{
    if (!ask_ahead(fetch, fault))
        return false;
    struct rpc *rpc = fetch->ctl->rpc;
    struct call *call = fetch->ahead[fetch->first];
    fetch->first = (fetch->first + 1) % CTL_READ_AHEAD;
    fetch->count--;
    if (!rpc_wait(rpc, call, clock_mono_ms() + ctl_timeout(fetch->ctl), fault)) {
        rpc_drop(rpc, call);
        if (fault->kind != FAULT_TIMEOUT)
            return false;
    } else if (rpc_take(rpc, call, reply, fault)) {
        if (reply->message->result_case == OG__CONTROL_RESPONSE__RESULT_FS_READ)
            return true;
        reply_fini(reply);
        return fault_set(fault, FAULT_LOCAL, "the answer is to another operation");
    } else if (!fault->retryable && fault->kind != FAULT_OFFLINE) {
        return false;
    }
    // A reply that was lost with a connection, or an agent that is busy: reading twice does no
    // harm.
    return read_now(fetch, fetch->done, length_at(fetch, fetch->done), reply, fault);
}

static bool pass_on(struct fetch *fetch, const struct sink *sink, struct reply *reply,
                    struct fault *fault)
{
    const ProtobufCBinaryData *content = &reply->message->fs_read->content;
    bool ok = sink->take(sink->self, content->data, content->len, fault);
    fetch->done += content->len;
    reply_fini(reply);
    return ok;
}

static bool read_rest(struct fetch *fetch, const struct sink *sink, struct progress *progress,
                      struct fault *fault)
{
    while (fetch->done < fetch->total) {
        uint64_t wanted = length_at(fetch, fetch->done);
        struct reply reply;
        if (!read_next(fetch, &reply, fault))
            return false;
        if (reply.message->fs_read->content.len != wanted) {
            reply_fini(&reply);
            return fault_set(fault, FAULT_LOCAL, "%s has changed while it was read", fetch->path);
        }
        if (!pass_on(fetch, sink, &reply, fault))
            return false;
        progress_at(progress, fetch->done, fetch->total);
    }
    return true;
}

bool fetch_file(struct ctl *ctl, const char *path, const struct sink *sink,
                struct progress *progress, uint64_t *done, struct fault *fault)
{
    struct fetch fetch = {.ctl = ctl, .path = path, .piece = CTL_PIECE_BYTES};
    size_t max = rpc_max_payload(ctl->rpc);
    if (max > (size_t)CTL_REPLY_SLACK * 2 && max - CTL_REPLY_SLACK < fetch.piece)
        fetch.piece = max - CTL_REPLY_SLACK;
    struct reply reply;
    bool ok = read_first(&fetch, &reply, fault);
    if (ok) {
        fetch.total = reply.message->fs_read->total_size;
        ok = pass_on(&fetch, sink, &reply, fault);
        fetch.next = fetch.done;
    }
    // What has no size of its own (a device) has been read once: that is all it has.
    if (ok && fetch.done > 0)
        ok = read_rest(&fetch, sink, progress, fault);
    while (fetch.count > 0) {
        rpc_drop(ctl->rpc, fetch.ahead[fetch.first]);
        fetch.first = (fetch.first + 1) % CTL_READ_AHEAD;
        fetch.count--;
    }
    *done = fetch.done;
    progress_end(progress);
    return ok;
}
