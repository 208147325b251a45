#include "ctl/showing.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/grant.h"
#include "ctl/interrupt.h"
#include "ctl/terminal.h"
#include "ctl/viewer.h"

enum { VERSION_BYTES = 12, OUT_BYTES = 64 << 10, IN_BYTES = 16 << 10 };
static const char greeting[] = "RFB 003.008\n"; // what the machine says, too

struct showing {
    struct viewer *viewer;
    int socket;
    char version[VERSION_BYTES + 1]; // the viewer's
    size_t unread;                   // bytes of the machine's own greeting to be passed over
    bool begun;                      // the viewer has got something of the machine
    bool left;                       // the viewer has gone
    char out[OUT_BYTES];
    size_t start, size;
};

// --- the channel

static bool take_channel(const Og__StreamChannel *channel, struct showing_channel *out)
{
    if (!channel || channel->port > UINT16_MAX)
        return false;
    out->port = (uint16_t)channel->port;
    out->opened_ms = clock_mono_ms();
    return terminal_text(channel->channel_id, out->id, sizeof out->id) &&
           terminal_text(channel->workspace_id, out->workspace, sizeof out->workspace) &&
           terminal_text(channel->agent_id, out->agent, sizeof out->agent);
}

bool showing_open(struct ctl *ctl, struct showing_channel *out, struct fault *fault)
{
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    Og__DesktopEnsureRequest body = OG__DESKTOP_ENSURE_REQUEST__INIT;
    struct call_options options = {.timeout_ms = ctl_timeout(ctl)};
    struct reply reply;
    request.op_case = OG__CONTROL_REQUEST__OP_DESKTOP_ENSURE;
    request.desktop_ensure = &body;
    if (!ctl_try(ctl, &request, &options, &reply, fault))
        return false;
    bool good = reply.message->result_case == OG__CONTROL_RESPONSE__RESULT_DESKTOP_ENSURE &&
                take_channel(reply.message->desktop_ensure->channel, out);
    reply_fini(&reply);
    return good || fault_set(fault, FAULT_LOCAL, "the machine opened a view that nobody can see");
}

// --- the beginning of RFB: the version lines, RFC 6143, 7.1.1

// Waits for the socket; false at an interrupt or after until_ms.
static bool wait_for(int socket, short events, int64_t until_ms)
{
    struct pollfd fd = {.fd = socket, .events = events};
    while (!interrupted() && clock_mono_ms() < until_ms)
        if (poll(&fd, 1, CTL_WAIT_SLICE_MS) > 0)
            return true;
    return false;
}

static bool say(int socket, const void *data, size_t size)
{
    int64_t until = clock_mono_ms() + SHOWING_GREETING_MS;
    for (const char *at = data; size > 0;) {
        ssize_t n = send(socket, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        at += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
        if (n < 0 && !wait_for(socket, POLLOUT, until))
            return false;
    }
    return true;
}

static bool greet(int socket, char version[VERSION_BYTES + 1])
{
    int64_t until = clock_mono_ms() + SHOWING_GREETING_MS;
    size_t have = 0;
    if (!say(socket, greeting, VERSION_BYTES))
        return false;
    while (have < VERSION_BYTES && wait_for(socket, POLLIN, until)) {
        ssize_t n = recv(socket, version + have, VERSION_BYTES - have, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        have += n > 0 ? (size_t)n : 0;
    }
    version[have] = '\0';
    return have == VERSION_BYTES && strncmp(version, "RFB 003.", 8) == 0 &&
           version[VERSION_BYTES - 1] == '\n';
}

// No security type, and the reason: 7.1.2. Versions before 3.7 have 32 bits for the type.
static void refuse(int socket, const char *version, const char *text)
{
    char message[1 + 2 * sizeof(uint32_t) + FAULT_TEXT_BYTES] = {0};
    size_t type = strcmp(version, "RFB 003.007\n") >= 0 ? 1 : sizeof(uint32_t), size = strlen(text);
    uint32_t length = htobe32((uint32_t)size);
    memcpy(message + type, &length, sizeof length);
    memcpy(message + type + sizeof length, text, size + 1); // the NUL is not sent
    (void)!say(socket, message, type + sizeof length + size);
}

void showing_refuse(int socket, const char *text)
{
    char version[VERSION_BYTES + 1];
    if (greet(socket, version))
        refuse(socket, version, text);
}

// --- the relay

static bool dial(struct ctl *ctl, struct showing *showing, const struct grant_source *source,
                 const struct showing_channel *channel, struct fault *fault)
{
    struct viewer_options wanted = {.channel = {.channel_id = channel->id,
                                                .workspace_id = channel->workspace,
                                                .agent_id = channel->agent,
                                                .kind = STREAM_DESKTOP,
                                                .port = channel->port},
                                    .rfb = true};
    struct grant grant;
    struct fail why;
    (void)ctl;
    if (!grant_get(source, channel->agent, channel->port, &grant, fault))
        return false;
    showing->viewer = viewer_new(&wanted, &why);
    bool dialled = showing->viewer &&
                   viewer_dial(showing->viewer, grant.relay_url, grant.token, grant.ca_file, &why);
    grant_fini(&grant);
    if (!dialled)
        return fault_fail(fault, FAULT_LOCAL, &why);
    // It goes out as soon as the relay has let us in.
    viewer_type(showing->viewer, showing->version, VERSION_BYTES);
    return true;
}

// False when the view is over. Bytes of RFB that are lost, e.g. with the relay's connection, cannot
// be done without.
static bool look(struct showing *showing, struct fault *fault)
{
    struct viewer_news news;
    viewer_look(showing->viewer, &news);
    if (news.missed > 0 && showing->begun)
        return fault_set(fault, FAULT_SERVER, "the relay has lost a part of the picture");
    if (news.state == VIEWER_CLOSED && viewer_has_output(showing->viewer))
        return true;
    switch (news.state) {
    case VIEWER_DIALLING:
    case VIEWER_LIVE:
        return true;
    case VIEWER_CLOSED:
    case VIEWER_AWAY:
    case VIEWER_REFUSED:
        break;
    }
    return fault_fail(fault, FAULT_SERVER, &news.why);
}

// --- both ways

static void fill(struct showing *showing)
{
    if (showing->size > 0)
        return;
    showing->start = 0;
    showing->size = viewer_read(showing->viewer, showing->out, sizeof showing->out);
    size_t skip = showing->unread < showing->size ? showing->unread : showing->size;
    showing->unread -= skip;
    showing->start += skip;
    showing->size -= skip;
    showing->begun |= showing->size > 0;
}

static void show(struct showing *showing)
{
    ssize_t n = send(showing->socket, showing->out + showing->start, showing->size, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        showing->left = true;
    if (n > 0) {
        showing->start += (size_t)n;
        showing->size -= (size_t)n;
    }
}

static void hear(struct showing *showing)
{
    char data[IN_BYTES];
    size_t room = viewer_room(showing->viewer);
    ssize_t n = recv(showing->socket, data, room < sizeof data ? room : sizeof data, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        showing->left = true;
    if (n > 0)
        viewer_type(showing->viewer, data, (size_t)n);
    explicit_bzero(data, sizeof data); // perhaps a password
}

static bool pump(struct showing *showing, struct fault *fault)
{
    int64_t patience = clock_mono_ms() + SHOWING_ANSWER_MS;
    while (!showing->left && !interrupted()) {
        fill(showing);
        bool hears = showing->begun && viewer_room(showing->viewer) > 0;
        struct pollfd fds[] = {
            {.fd = showing->size > 0 ? -1 : viewer_ready(showing->viewer), .events = POLLIN},
            {.fd = showing->socket,
             .events = (short)((hears ? POLLIN : 0) | (showing->size > 0 ? POLLOUT : 0))}};
        if (poll(fds, 2, CTL_WAIT_SLICE_MS) < 0 && errno != EINTR)
            return fault_local(fault, errno, "poll", NULL);
        if (fds[1].revents & POLLOUT)
            show(showing);
        if (fds[1].revents & (POLLIN | POLLHUP | POLLERR)) {
            if (hears)
                hear(showing);
            else
                showing->left |= (fds[1].revents & (POLLHUP | POLLERR)) != 0;
        }
        if (showing->size == 0 && !look(showing, fault))
            return false;
        if (!showing->begun && clock_mono_ms() >= patience)
            return fault_set(fault, FAULT_TIMEOUT,
                             "the machine does not answer as a VNC server; older agents show "
                             "pictures only");
    }
    return true;
}

bool showing_run(struct ctl *ctl, const struct grant_source *source,
                 const struct showing_channel *channel, int socket, struct fault *fault)
{
    struct showing showing = {.socket = socket, .unread = VERSION_BYTES};
    if (!greet(socket, showing.version))
        return interrupted() || fault_set(fault, FAULT_LOCAL, "what connected is no VNC viewer");
    bool good = dial(ctl, &showing, source, channel, fault) && pump(&showing, fault);
    if (!good && !showing.begun)
        refuse(socket, showing.version, fault->text);
    if (showing.viewer)
        viewer_leave(showing.viewer, SHELL_DRAIN_MS);
    viewer_free(showing.viewer);
    return good;
}
