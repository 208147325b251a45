#include "hub/relay/socket.h"

#include <assert.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "hub/relay/relay.h"

static_assert(FRAME_HEADROOM >= LWS_PRE, "a WebSocket header fits before a frame");

struct relay_socket {
    struct http_sockets handler;
    struct relay *relay;
};

// One connection, from the upgrade to its end.
struct line {
    struct lws *wsi;
    struct relay *relay;
    struct peer *peer;
    struct frame *incoming; // the message that is being received; NULL: none
    bool pong_due;
};

enum { QUERY_TEXT_BYTES = 256 };

struct query_text {
    char workspace[QUERY_TEXT_BYTES], agent[QUERY_TEXT_BYTES], channel[QUERY_TEXT_BYTES], port[16];
};

// libwebsockets has taken the percent signs out, and keeps each "name=value" apart.
static bool read_query(struct lws *wsi, struct query_text *text, struct relay_query *query)
{
    const struct {
        const char *name;
        char *out;
        size_t room;
    } wanted[] = {{"ws=", text->workspace, sizeof text->workspace},
                  {"agent=", text->agent, sizeof text->agent},
                  {"channel=", text->channel, sizeof text->channel},
                  {"port=", text->port, sizeof text->port}};
    char fragment[QUERY_TEXT_BYTES + 16];
    *text = (struct query_text){0};
    for (int i = 0;
         lws_hdr_copy_fragment(wsi, fragment, sizeof fragment, WSI_TOKEN_HTTP_URI_ARGS, i) > 0; i++)
        for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
            size_t size = strlen(wanted[w].name);
            if (strncmp(fragment, wanted[w].name, size) == 0)
                snprintf(wanted[w].out, wanted[w].room, "%s", fragment + size);
        }
    size_t digits = strlen(text->port);
    unsigned long port = strtoul(text->port, NULL, 10);
    *query = (struct relay_query){.workspace = text->workspace,
                                  .agent = text->agent,
                                  .channel = text->channel,
                                  .port = (uint32_t)port};
    return *text->workspace && *text->agent && *text->channel && digits > 0 && digits <= 10 &&
           strspn(text->port, "0123456789") == digits && port <= UINT32_MAX;
}

static unsigned admit(void *context, struct lws *wsi)
{
    (void)context;
    char path[32] = "";
    struct query_text text;
    struct relay_query query;
    if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 0 ||
        strcmp(path, "/stream") != 0)
        return HTTP_STATUS_NOT_FOUND;
    return read_query(wsi, &text, &query) ? 0 : HTTP_STATUS_BAD_REQUEST;
}

static void *opened(void *context, struct lws *wsi)
{
    struct relay_socket *socket = context;
    struct query_text text;
    struct relay_query query;
    if (!read_query(wsi, &text, &query))
        return NULL;
    struct line *line = mem_new(struct line);
    line->wsi = wsi;
    line->relay = socket->relay;
    line->peer = relay_accept(socket->relay, line, &query, clock_mono_ms());
    return line;
}

// A message mostly comes in one frame, whose size is known with its first piece: then it is
// received into its place without being moved.
static bool received(void *context, void *data, size_t size, bool first, bool last, bool binary)
{
    struct line *line = context;
    if (!binary)
        return true; // text is no data of this protocol
    if (first) {
        frame_unref(line->incoming);
        line->incoming = NULL;
    }
    size_t have = line->incoming ? line->incoming->size : 0,
           coming = size + lws_remaining_packet_payload(line->wsi);
    if (have + coming > relay_message_max(line->peer))
        return false;
    if (!line->incoming)
        line->incoming = frame_new(coming);
    line->incoming = frame_append(line->incoming, data, size);
    if (!last)
        return true;
    struct frame *message = line->incoming;
    line->incoming = NULL;
    return relay_received(line->peer, message, clock_mono_ms());
}

// A pong that nobody has asked for is allowed and asks for nothing (RFC 6455 5.5.3).
static bool send_pong(struct line *line)
{
    unsigned char room[LWS_PRE];
    line->pong_due = false;
    if (lws_write(line->wsi, room + sizeof room, 0, LWS_WRITE_PONG) < 0)
        return false;
    if (relay_next(line->peer))
        lws_callback_on_writable(line->wsi);
    return !relay_is_over(line->peer);
}

static bool writable(void *context)
{
    struct line *line = context;
    if (line->pong_due)
        return send_pong(line);
    struct frame *frame = relay_next(line->peer);
    if (frame) {
        int sent = lws_write(line->wsi, frame->bytes, frame->size, LWS_WRITE_BINARY);
        if (sent < (int)frame->size)
            return false;
        relay_sent(line->peer, clock_mono_ms());
        if (relay_next(line->peer))
            lws_callback_on_writable(line->wsi);
    }
    return !relay_is_over(line->peer);
}

static void closed(void *context)
{
    struct line *line = context;
    relay_gone(line->peer, clock_mono_ms());
    frame_unref(line->incoming);
    mem_free(line);
}

static void tick(void *context)
{
    struct relay_socket *socket = context;
    relay_tick(socket->relay, clock_mono_ms());
}

static void wake(void *context)
{
    struct line *line = context;
    lws_callback_on_writable(line->wsi);
}

static void pause_reading(void *context, bool paused)
{
    struct line *line = context;
    lws_rx_flow_control(line->wsi, !paused);
}

static void sign_of_life(void *context)
{
    struct line *line = context;
    line->pong_due = true;
    lws_callback_on_writable(line->wsi);
}

struct relay_socket *relay_socket_new(const struct relay_setup *setup)
{
    struct relay_socket *socket = mem_new(struct relay_socket);
    struct relay_setup complete = *setup;
    complete.wake = wake;
    complete.pause = pause_reading;
    complete.sign_of_life = sign_of_life;
    socket->relay = relay_new(&complete);
    socket->handler = (struct http_sockets){.admit = admit,
                                            .opened = opened,
                                            .received = received,
                                            .writable = writable,
                                            .closed = closed,
                                            .tick = tick,
                                            .context = socket};
    return socket;
}

void relay_socket_free(struct relay_socket *socket)
{
    if (!socket)
        return;
    relay_free(socket->relay);
    mem_free(socket);
}

const struct http_sockets *relay_socket_handler(const struct relay_socket *socket)
{
    return &socket->handler;
}

struct relay *relay_socket_relay(const struct relay_socket *socket)
{
    return socket->relay;
}
