#include "ctl/ctl.h"

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/printable.h"
#include "ctl/commands.h"
#include "ctl/help.h"
#include "ctl/interrupt.h"
#include "ctl/registry.h"

int ctl_option(struct ctl *ctl, struct arguments *args, const char **value)
{
    for (;;) {
        int key = arguments_next(args, value);
        switch (key) {
        case COMMON_SERVER:
            ctl->server_url = *value;
            break;
        case COMMON_TOKEN_FILE:
            ctl->token_file = *value;
            break;
        case COMMON_GENERATION:
            if (strcmp(*value, "0.2.0") == 0)
                ctl->generation = GENERATION_0_2_0;
            else if (strcmp(*value, "latest") == 0)
                ctl->generation = GENERATION_LATEST;
            else {
                ctl_misuse(ctl, "--generation is 0.2.0 or latest");
                return ARGUMENTS_BAD;
            }
            break;
        case COMMON_WAIT:
            if (!arguments_seconds(*value, &ctl->wait_ms)) {
                ctl_misuse(ctl, "--wait needs a number of seconds");
                return ARGUMENTS_BAD;
            }
            break;
        case COMMON_TIMEOUT:
            if (!arguments_seconds(*value, &ctl->timeout_ms)) {
                ctl_misuse(ctl, "--timeout needs a number of seconds");
                return ARGUMENTS_BAD;
            }
            break;
        case COMMON_HUB:
            ctl->hub_source.url = *value;
            break;
        case COMMON_HUB_TOKEN_FILE:
            ctl->hub_source.token_file = *value;
            break;
        case COMMON_CA_FILE:
            ctl->hub_source.ca_file = *value;
            break;
        case COMMON_JSON:
            ctl->json = true;
            break;
        case COMMON_VERBOSE:
            ctl->verbose = true;
            break;
        case COMMON_HELP:
            help_command(ctl->command, stdout);
            ctl->status = STATUS_OK;
            return ARGUMENTS_BAD;
        case ARGUMENTS_BAD:
            ctl_misuse(ctl, "%s", args->problem);
            return ARGUMENTS_BAD;
        default:
            return key;
        }
    }
}

int ctl_misuse(struct ctl *ctl, const char *format, ...)
{
    const char *name = ctl->command ? ctl->command->name : NULL;
    fprintf(stderr, "opengeni-ctl%s%s: ", name ? " " : "", name ? name : "");
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see opengeni-ctl help%s%s\n", name ? " " : "", name ? name : "");
    bool runs = ctl->command && ctl->command->runs;
    return ctl->status = runs ? STATUS_NOT_STARTED : STATUS_USAGE;
}

bool ctl_operands(struct ctl *ctl, const struct arguments *args, int min, int max)
{
    if (args->operand_count >= min && args->operand_count <= max)
        return true;
    ctl_misuse(ctl, "usage: opengeni-ctl %s %s", ctl->command->name, ctl->command->operands);
    return false;
}

int ctl_fault(struct ctl *ctl, const struct fault *fault)
{
    bool runs = ctl->command && ctl->command->runs;
    ctl->status = fault_status(fault, runs);
    if (fault->kind == FAULT_INTERRUPTED)
        return ctl->status;
    fputs("opengeni-ctl: ", stderr);
    if (fault->kind == FAULT_SERVER && ctl->server.url) {
        char *url = ctl_text(ctl->server.url);
        fprintf(stderr, "%s: ", strchr(url, '@') ? "server" : url);
        mem_free(url);
    } else if ((fault->kind == FAULT_AGENT || fault->kind == FAULT_OFFLINE ||
                fault->kind == FAULT_GONE || fault->kind == FAULT_TIMEOUT) &&
               ctl->machine.label[0]) {
        fprintf(stderr, "%s: ", ctl->machine.label);
    }
    fputs(fault->text, stderr);
    if (ctl->unguided && fault->kind == FAULT_SERVER)
        fputs("; no hub serves here either: start one with opengeni-hub serve, or name one with "
              "--hub",
              stderr);
    if (runs && fault_is(fault, OG__ERROR_CODE__ERROR_CODE_PAYLOAD_TOO_LARGE))
        fputs("; let it print into a file, and get that", stderr);
    if (ctl->verbose && fault->details[0])
        fprintf(stderr, " [%s]", fault->details);
    fputc('\n', stderr);
    return ctl->status;
}

static bool find_server(struct ctl *ctl, struct fault *fault)
{
    const char *variable = getenv("OPENGENI_SERVER");
    bool given = ctl->server_url || (variable && *variable);
    if (!hub_find_named(&ctl->hub_source, &ctl->hub, &ctl->has_hub, fault))
        return false;
    if (!ctl->has_hub && !given)
        ctl->has_hub = hub_find_local(&ctl->hub);
    ctl->unguided = !ctl->has_hub && !given;
    bool found = ctl->has_hub && !given
                     ? server_of_hub(&ctl->server, &ctl->hub, fault)
                     : server_find(&ctl->server, ctl->server_url, ctl->token_file, fault);
    if (found && !ctl->server.ca_file && ctl->hub_source.ca_file)
        ctl->server.ca_file = mem_string(ctl->hub_source.ca_file);
    return found;
}

bool ctl_find(struct ctl *ctl)
{
    struct fault fault;
    if (ctl->server.url || find_server(ctl, &fault))
        return true;
    ctl_fault(ctl, &fault);
    return false;
}

bool ctl_online(struct ctl *ctl)
{
    if (ctl->connection.nats)
        return true;
    if (!ctl_find(ctl))
        return false;
    struct fault fault;
    if (ctl_connect(&ctl->server, "opengeni-ctl", &ctl->connection, &fault) &&
        rpc_new(ctl->connection.nats, &ctl->rpc, &fault))
        return true;
    ctl_fault(ctl, &fault);
    return false;
}

bool ctl_reconnect(struct ctl *ctl, struct fault *fault)
{
    if (ctl->directory)
        directory_stop(ctl->directory);
    ctl_disconnect(&ctl->connection);
    rpc_free(ctl->rpc); // the connection is closed
    ctl->rpc = NULL;
    if (!ctl_connect(&ctl->server, "opengeni-ctl", &ctl->connection, fault))
        return false;
    if (rpc_new(ctl->connection.nats, &ctl->rpc, fault) &&
        (!ctl->directory || directory_listen(ctl->directory, ctl->connection.nats, fault)))
        return true;
    ctl_disconnect(&ctl->connection);
    rpc_free(ctl->rpc);
    ctl->rpc = NULL;
    return false;
}

static bool look_for(struct ctl *ctl, const char *name, struct fault *fault)
{
    if (!ctl->directory) {
        ctl->directory = directory_new();
        if (!directory_listen(ctl->directory, ctl->connection.nats, fault))
            return false;
    }
    int64_t wait_ms = ctl->wait_ms ? ctl->wait_ms : CTL_LISTEN_MS;
    return machine_find(ctl->directory, name, ctl->generation, wait_ms, &ctl->machine, fault);
}

bool ctl_machine(struct ctl *ctl, const char *name)
{
    char *label = ctl_text(name);
    snprintf(ctl->machine.label, sizeof ctl->machine.label, "%s", label);
    mem_free(label);
    if (!ctl_online(ctl))
        return false;
    struct machine path;
    if (!ctl->has_hub && ctl->generation != GENERATION_LATEST && machine_from_path(name, &path)) {
        path.guessed = ctl->generation == GENERATION_ANY;
        ctl->machine = path;
        return true;
    }
    struct fault fault;
    if (ctl->has_hub
            ? registry_find(&ctl->hub, name, ctl->generation, ctl->wait_ms, &ctl->machine, &fault)
            : look_for(ctl, name, &fault))
        return true;
    ctl_fault(ctl, &fault);
    return false;
}

int64_t ctl_timeout(const struct ctl *ctl)
{
    return ctl->timeout_ms ? ctl->timeout_ms : CTL_CALL_MS;
}

bool ctl_elsewhere(struct ctl *ctl, struct fault *fault)
{
    if (fault->kind != FAULT_OFFLINE || !ctl->machine.guessed)
        return false;
    ctl->machine.guessed = false;
    struct fault unheard;
    char name[2 * SIGHTING_ID_BYTES];
    snprintf(name, sizeof name, "%s/%s", ctl->machine.workspace, ctl->machine.agent);
    if (look_for(ctl, name, &unheard))
        return true;
    if (unheard.kind == FAULT_INTERRUPTED)
        *fault = unheard;
    return false;
}

bool ctl_try(struct ctl *ctl, const Og__ControlRequest *request, const struct call_options *options,
             struct reply *reply, struct fault *fault)
{
    return machine_call(&ctl->machine, ctl->rpc, request, options, reply, fault) ||
           (ctl_elsewhere(ctl, fault) &&
            machine_call(&ctl->machine, ctl->rpc, request, options, reply, fault));
}

bool ctl_call(struct ctl *ctl, const Og__ControlRequest *request, struct reply *reply)
{
    bool runs = ctl->command->runs; // as long as the command takes
    struct call_options options = {.timeout_ms = runs ? 0 : ctl_timeout(ctl),
                                   .tries = runs ? CTL_RUN_TRIES : CTL_TRIES};
    struct fault fault;
    if (ctl_try(ctl, request, &options, reply, &fault))
        return true;
    ctl_fault(ctl, &fault);
    return false;
}

void ctl_json(json_t *value)
{
    // At once: json_dumpf locks the stream for every word.
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    puts(text ? text : "null");
    mem_free(text);
    json_decref(value);
}

char *ctl_text(const char *text)
{
    return printable_copy(text);
}

bool ctl_flush(struct ctl *ctl)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    // The reader of a pipe has gone: nobody to tell.
    if (errno != EPIPE)
        fprintf(stderr, "opengeni-ctl: output: %s\n", strerror(errno));
    ctl->status = STATUS_FAILED;
    return false;
}

static void close_all(struct ctl *ctl)
{
    if (ctl->directory)
        directory_stop(ctl->directory);
    ctl_disconnect(&ctl->connection);
    rpc_free(ctl->rpc);
    nats_CloseAndWait(CTL_CONNECT_MS); // no callback runs any more
    directory_free(ctl->directory);
    server_fini(&ctl->server);
    hub_place_fini(&ctl->hub);
}

// Options before the command's name; the name and the rest are left as operands.
static int start(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    int key = ctl_option(ctl, args, &value);
    if (key == COMMON_VERSION) {
        puts("opengeni-ctl " OG_VERSION);
        return ctl->status;
    }
    if (key != ARGUMENTS_END)
        return ctl->status;
    if (args->operand_count == 0) {
        help_all(stderr);
        return STATUS_USAGE;
    }
    ctl->command = command_find(args->operands[0]);
    if (!ctl->command)
        return ctl_misuse(ctl, "there is no command \"%s\"", args->operands[0]);
    struct arguments rest;
    arguments_init(&rest, args->operand_count - 1, args->operands + 1, ctl->command->arguments,
                   common_arguments, ctl->command->runs);
    return ctl->command->run(ctl, &rest);
}

int ctl_main(int argc, char **argv)
{
    setlocale(LC_CTYPE, ""); // widths of characters
    struct ctl ctl = {0};
    struct arguments args;
    arguments_init(&args, argc - 1, argv + 1, common_arguments, program_arguments, true);
    int status = start(&ctl, &args);
    if (!ctl_flush(&ctl))
        status = ctl.status;
    close_all(&ctl);
    interrupt_obey();
    return status;
}
