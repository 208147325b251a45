#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/act.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/grant.h"
#include "ctl/interrupt.h"
#include "ctl/listener.h"
#include "ctl/showing.h"

enum {
    OPTION_PORT = 'p',
    OPTION_SOCKET = 'S',
    OPTION_KEEP = 'k',
    OPTION_RELAY_URL = COMMON_LAST,
    OPTION_RELAY_TOKEN_FILE,
};

struct view_options {
    struct grant_source source;
    const char *socket; // NULL: a port
    uint64_t port;      // 0: any
    bool keep;
};

static bool take_option(struct ctl *ctl, int key, const char *value, struct view_options *options)
{
    switch (key) {
    case OPTION_PORT:
        return arguments_count(value, UINT16_MAX, &options->port) ||
               (ctl_misuse(ctl, "--port needs a number up to 65535"), false);
    case OPTION_SOCKET:
        options->socket = value;
        return true;
    case OPTION_KEEP:
        return options->keep = true;
    case OPTION_RELAY_URL:
        options->source.relay_url = value;
        return true;
    case OPTION_RELAY_TOKEN_FILE:
        options->source.relay_token_file = value;
        return true;
    default:
        return false; // no other is in the table
    }
}

static bool parse(struct ctl *ctl, struct arguments *args, struct view_options *options)
{
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;)
        if (key == ARGUMENTS_BAD || !take_option(ctl, key, value, options))
            return false;
    struct grant_source *source = &options->source;
    source->hub_url = ctl->hub_source.url;
    source->hub_token_file = ctl->hub_source.token_file;
    source->ca_file = ctl->hub_source.ca_file;
    if (!source->relay_url != !source->relay_token_file) {
        ctl_misuse(ctl, "--relay-url and --relay-token-file go together");
        return false;
    }
    if (options->socket && options->port) {
        ctl_misuse(ctl, "--port and --socket exclude each other");
        return false;
    }
    return ctl_operands(ctl, args, 1, 1);
}

static bool tell(struct ctl *ctl, const struct listener *listener)
{
    if (ctl->json && listener->path)
        ctl_json(json_pack("{s:s}", "socket", listener->path));
    else if (ctl->json)
        ctl_json(json_pack("{s:s, s:i}", "host", "127.0.0.1", "port", (int)listener->port));
    else if (listener->path)
        puts(listener->path);
    else
        printf("127.0.0.1:%u\n", listener->port);
    if (!ctl->json && listener->path)
        fprintf(stderr, "opengeni-ctl: now a VNC viewer, e.g. vncviewer %s\n", listener->path);
    else if (!ctl->json)
        fprintf(stderr, "opengeni-ctl: now a VNC viewer, e.g. vncviewer 127.0.0.1::%u\n",
                listener->port);
    return ctl_flush(ctl);
}

// -1 at an interrupt.
static int wait_for_viewer(const struct listener *listener)
{
    struct pollfd fd = {.fd = listener->fd, .events = POLLIN};
    while (!interrupted()) {
        int viewer = poll(&fd, 1, CTL_WAIT_SLICE_MS) > 0 ? listener_accept(listener) : -1;
        if (viewer >= 0)
            return viewer;
    }
    return -1;
}

// The server may have been restarted while nobody watched.
static bool open_again(struct ctl *ctl, struct showing_channel *channel, struct fault *fault)
{
    if (natsConnection_IsClosed(ctl->connection.nats) && !ctl_reconnect(ctl, fault))
        return false;
    return showing_open(ctl, channel, fault);
}

// channel: opened and not used yet; a relay does not hold one for ever that nobody watches.
static void serve_viewer(struct ctl *ctl, const struct view_options *options,
                         struct showing_channel *channel, int viewer)
{
    struct fault fault;
    bool fresh = channel->opened_ms && clock_mono_ms() - channel->opened_ms < SHOWING_UNUSED_MS;
    bool there = fresh || open_again(ctl, channel, &fault);
    if (!there)
        showing_refuse(viewer, fault.text);
    channel->opened_ms = 0;
    if (!there || !showing_run(ctl, &options->source, channel, viewer, &fault))
        act_fault(ctl, &fault);
}

static void serve(struct ctl *ctl, const struct view_options *options, struct listener *listener,
                  struct showing_channel *channel)
{
    do {
        int viewer = wait_for_viewer(listener);
        if (viewer < 0)
            break;
        if (!options->keep)
            listener_close(listener); // one viewer, and no one after it
        ctl->status = STATUS_OK;
        serve_viewer(ctl, options, channel, viewer);
        close(viewer);
    } while (options->keep && !interrupted());
}

static int run(struct ctl *ctl, struct arguments *args)
{
    struct view_options options = {0};
    struct showing_channel channel;
    struct listener listener;
    struct fault fault;
    if (!parse(ctl, args, &options) || !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    // Before anybody starts a viewer: a machine without a screen says so here.
    if (!showing_open(ctl, &channel, &fault))
        return act_fault(ctl, &fault);
    interrupt_watch();
    if (!listener_open(&listener, options.socket, (uint16_t)options.port, &fault))
        return ctl_fault(ctl, &fault);
    if (tell(ctl, &listener))
        serve(ctl, &options, &listener, &channel);
    listener_close(&listener);
    interrupt_obey();
    return ctl->status;
}

static const struct argument arguments[] = {
    {OPTION_PORT, "port", "N", "of 127.0.0.1 (any that is free)"},
    {OPTION_SOCKET, "socket", "PATH", "a unix socket of that name instead"},
    {OPTION_KEEP, "keep", NULL, "after one viewer wait for the next"},
    {OPTION_RELAY_URL, "relay-url", "URL", "a relay, ws or wss, without asking a hub"},
    {OPTION_RELAY_TOKEN_FILE, "relay-token-file", "FILE", "holds a viewer's token for it"},
    {0},
};

const struct command command_view = {
    .name = "view",
    .operands = "MACHINE",
    .summary = "Show a machine's desktop in a VNC viewer",
    .notes = "Waits on 127.0.0.1, or at a unix socket, for one VNC viewer of this user, and\n"
             "connects it with the machine through the relay. Keyboard and mouse work if the\n"
             "machine's owner has consented to that; otherwise the viewer can only look. Ends\n"
             "with the viewer.\n"
             "\n"
             "The place is printed, so that a script can start the viewer:\n"
             "  opengeni-ctl view box --socket ~/box.vnc & vncviewer ~/box.vnc\n",
    .arguments = arguments,
    .run = run,
};
