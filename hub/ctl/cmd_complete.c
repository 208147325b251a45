// Candidates for a shell that completes a command line (packaging/completions): one a line.
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/printable.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/registry.h"

static void offer(const char *candidate, const char *typed)
{
    if (strncmp(candidate, typed, strlen(typed)) == 0)
        puts(candidate);
}

static void offer_options(const struct argument *table, const char *typed)
{
    for (const struct argument *a = table; a && a->name; a++) {
        char option[64];
        snprintf(option, sizeof option, "--%s", a->name);
        offer(option, typed);
    }
}

static void offer_commands(const char *typed)
{
    for (const struct command *const *c = commands; *c; c++)
        offer((*c)->name, typed);
}

// Names that a shell could not take as one word are offered as ids.
static void offer_machines(struct ctl *ctl, const char *typed)
{
    struct fault fault;
    bool named;
    json_t *machines, *machine;
    size_t i;
    if (!hub_find_named(&ctl->hub_source, &ctl->hub, &named, &fault) ||
        (!named && !hub_find_local(&ctl->hub)) ||
        !registry_list(&ctl->hub, CTL_COMPLETE_MS, &machines, &fault))
        return;
    json_array_foreach(machines, i, machine)
    {
        const char *name = json_string_value(json_object_get(machine, "name")),
                   *id = json_string_value(json_object_get(machine, "id")),
                   *state = json_string_value(json_object_get(machine, "state"));
        if (!name || !id || !state || strcmp(state, "revoked") == 0)
            continue;
        bool plain = name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-_.")] == '\0';
        offer(plain ? name : id, typed);
        if (plain && *typed)
            offer(id, typed);
    }
    json_decref(machines);
}

// The words before the one that is typed; false: an option waits for its value.
static bool read_words(struct ctl *ctl, struct arguments *args, const struct argument *own,
                       const struct argument *common, int argc, char **argv)
{
    arguments_init(args, argc, argv, own, common, true);
    const char *value;
    for (int key; (key = arguments_next(args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return false;
        if (key == COMMON_HUB)
            ctl->hub_source.url = value;
        else if (key == COMMON_HUB_TOKEN_FILE)
            ctl->hub_source.token_file = value;
        else if (key == COMMON_CA_FILE)
            ctl->hub_source.ca_file = value;
    }
    return true;
}

static int run(struct ctl *ctl, struct arguments *given)
{
    if (given->argc < 1)
        return STATUS_OK;
    int words = given->argc - 1;
    const char *typed = given->argv[words];
    struct arguments args;
    if (!read_words(ctl, &args, common_arguments, program_arguments, words, given->argv))
        return STATUS_OK;
    if (args.operand_count == 0) {
        if (*typed == '-') {
            offer_options(common_arguments, typed);
            offer_options(program_arguments, typed);
        } else {
            offer_commands(typed);
        }
        return STATUS_OK;
    }
    const struct command *command = command_find(args.operands[0]);
    struct arguments rest;
    if (!command || !read_words(ctl, &rest, command->arguments, common_arguments,
                                args.operand_count - 1, args.operands + 1))
        return STATUS_OK;
    if (command == &command_help && rest.operand_count == 0) {
        offer_commands(typed);
    } else if (*typed == '-' && rest.operand_count == 0) {
        offer_options(command->arguments, typed);
        offer_options(common_arguments, typed);
    } else {
        // "MACHINE ..." or, for pty, "open|close... MACHINE ..."
        const char *machine = strstr(command->operands, "MACHINE");
        int place = machine && machine != command->operands ? 1 : 0;
        if (machine && rest.operand_count == place)
            offer_machines(ctl, typed);
    }
    return STATUS_OK;
}

const struct command command_complete = {.name = "__complete",
                                         .operands = "[WORD]...",
                                         .summary = "Offer what could stand there",
                                         .runs = false,
                                         .run = run};
