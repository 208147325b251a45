#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "ctl/columns.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/hub.h"
#include "ctl/terminal.h"
#include "ctl/units.h"

static bool parse_size(const char *text, unsigned *cols, unsigned *rows)
{
    const char *x = strchr(text, 'x');
    if (!x)
        return false;
    char *first = mem_printf("%.*s", (int)(x - text), text);
    uint64_t wide, high;
    bool good =
        arguments_count(first, UINT16_MAX, &wide) && arguments_count(x + 1, UINT16_MAX, &high);
    mem_free(first);
    if (good) {
        *cols = (unsigned)wide;
        *rows = (unsigned)high;
    }
    return good;
}

static int close_one(struct ctl *ctl, const char *id)
{
    int code;
    struct fault fault;
    if (!terminal_close(ctl, id, &code, &fault))
        return ctl_fault(ctl, &fault);
    if (ctl->json)
        ctl_json(code < 0 ? json_pack("{s:s, s:n}", "pty", id, "exit_code")
                          : json_pack("{s:s, s:i}", "pty", id, "exit_code", code));
    return STATUS_OK;
}

static int resize_one(struct ctl *ctl, const char *id, const char *size)
{
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    Og__PtyResizeRequest body = OG__PTY_RESIZE_REQUEST__INIT;
    struct reply reply;
    if (!parse_size(size, &body.cols, &body.rows))
        return ctl_misuse(ctl, "a size is COLUMNSxROWS, as 80x24");
    request.op_case = OG__CONTROL_REQUEST__OP_PTY_RESIZE;
    request.pty_resize = &body;
    body.pty_id = (char *)id;
    if (!ctl_call(ctl, &request, &reply))
        return ctl->status;
    reply_fini(&reply);
    return STATUS_OK;
}

static int write_to(struct ctl *ctl, const char *id)
{
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    Og__PtyWriteRequest body = OG__PTY_WRITE_REQUEST__INIT;
    struct buffer input;
    struct fault fault;
    struct reply reply;
    buffer_init(&input, VIEWER_TYPED_BYTES_MAX);
    request.op_case = OG__CONTROL_REQUEST__OP_PTY_WRITE;
    request.pty_write = &body;
    body.pty_id = (char *)id;
    if (!io_read_to_end(STDIN_FILENO, &input)) {
        fault_set(&fault, FAULT_LOCAL, "standard input cannot be read, or has more than %u bytes",
                  VIEWER_TYPED_BYTES_MAX);
        ctl_fault(ctl, &fault);
    } else {
        body.data = (ProtobufCBinaryData){.data = (uint8_t *)input.data, .len = input.size};
        if (ctl_call(ctl, &request, &reply))
            reply_fini(&reply);
    }
    buffer_fini(&input);
    return ctl->status;
}

static int open_one(struct ctl *ctl, char **command, int count)
{
    Og__PtyOpenRequest body = OG__PTY_OPEN_REQUEST__INIT;
    struct terminal terminal;
    body.command = command;
    body.n_command = (size_t)count;
    if (!terminal_open(ctl, &body, &terminal))
        return ctl->status;
    if (ctl->json)
        ctl_json(json_pack("{s:s, s:s, s:s, s:s, s:i}", "pty", terminal.id, "channel",
                           terminal.channel, "workspace", terminal.workspace, "agent",
                           terminal.agent, "port", (int)terminal.port));
    else
        puts(terminal.id);
    return STATUS_OK;
}

// What the hub's relay has of it. Those that look for a relay just now
// are missing; they are back within seconds.
static json_t *ask_for_channels(struct ctl *ctl)
{
    struct fault fault;
    json_t *answer = NULL;
    if (!ctl->has_hub) {
        fault_set(&fault, FAULT_LOCAL, "this asks a hub, and there is none here; see --hub");
        ctl_fault(ctl, &fault);
        return NULL;
    }
    char *path = mem_printf("/api/machines/%s/channels", ctl->machine.agent);
    if (!hub_ask(&ctl->hub, path, NULL, CTL_HUB_MS, &answer, &fault))
        ctl_fault(ctl, &fault);
    mem_free(path);
    return answer;
}

static bool is_terminal(json_t *channel)
{
    return json_integer_value(json_object_get(channel, "port")) == TERMINAL_PORT &&
           json_is_true(json_object_get(channel, "agent")) &&
           json_is_string(json_object_get(channel, "channel"));
}

static void print_list(json_t *terminals)
{
    static const char *const heads[] = {"PTY", "VIEWER", "-IDLE", NULL};
    struct columns *table = columns_new(heads);
    json_t *terminal;
    size_t i;
    json_array_foreach(terminals, i, terminal)
    {
        columns_add(table, json_string_value(json_object_get(terminal, "pty")));
        columns_add(table, json_is_true(json_object_get(terminal, "viewer")) ? "yes" : "no");
        columns_add(table, unit_age_text(json_integer_value(json_object_get(terminal, "idle_ms"))));
    }
    columns_print(table, stdout);
    columns_free(table);
}

static int list_all(struct ctl *ctl)
{
    json_t *answer = ask_for_channels(ctl), *channel;
    size_t i;
    if (!answer)
        return ctl->status;
    json_t *terminals = json_array();
    json_array_foreach(json_object_get(answer, "channels"), i, channel)
    {
        if (!is_terminal(channel))
            continue;
        json_t *terminal = json_object();
        json_object_set(terminal, "pty", json_object_get(channel, "channel"));
        json_object_set(terminal, "viewer", json_object_get(channel, "viewer"));
        json_object_set(terminal, "idle_ms", json_object_get(channel, "idle_ms"));
        json_array_append_new(terminals, terminal);
    }
    json_decref(answer);
    if (ctl->json) {
        ctl_json(terminals);
        return ctl->status;
    }
    print_list(terminals);
    json_decref(terminals);
    return ctl->status;
}

static int run(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    if (ctl_option(ctl, args, &value) != ARGUMENTS_END)
        return ctl->status;
    static const struct {
        const char *name;
        int min, max; // operands
    } verbs[] = {{"open", 2, ARGUMENTS_LONG_ONLY},
                 {"list", 2, 2},
                 {"close", 3, 3},
                 {"resize", 4, 4},
                 {"write", 3, 3}};
    enum { VERBS = sizeof verbs / sizeof *verbs };
    const char *verb = args->operand_count ? args->operands[0] : "";
    size_t i = 0;
    while (i < VERBS && strcmp(verbs[i].name, verb) != 0)
        i++;
    if (i == VERBS)
        return ctl_misuse(ctl, "the first word is open, list, close, resize or write");
    if (!ctl_operands(ctl, args, verbs[i].min, verbs[i].max) ||
        !ctl_machine(ctl, args->operands[1]))
        return ctl->status;
    char **rest = args->operands + 2;
    switch (i) {
    case 0:
        return open_one(ctl, rest, args->operand_count - 2);
    case 1:
        return list_all(ctl);
    case 2:
        return close_one(ctl, rest[0]);
    case 3:
        return resize_one(ctl, rest[0], rest[1]);
    default:
        return write_to(ctl, rest[0]);
    }
}

static const struct argument no_arguments[] = {{0}};

const struct command command_pty = {
    .name = "pty",
    .operands = "open|list|close|resize|write MACHINE ...",
    .summary = "Look after terminals without showing them",
    .notes = "  pty open MACHINE [-- CMD [ARG]...]    opens one and prints its id\n"
             "  pty list MACHINE                      those at the hub's relay now\n"
             "  pty close MACHINE PTY                 ends one and what runs in it\n"
             "  pty resize MACHINE PTY COLUMNSxROWS   0 keeps what is\n"
             "  pty write MACHINE PTY                 types what standard input holds\n"
             "\n"
             "A machine does not tell which terminals it has, but a hub sees who is at its\n"
             "relay. IDLE is the time since something was typed or printed, or somebody came\n"
             "or went.\n",
    .arguments = no_arguments,
    .run = run,
};
