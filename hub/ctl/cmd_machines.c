#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "ctl/columns.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/registry.h"
#include "ctl/units.h"

static const char *const states[] = {
    [SIGHTING_ONLINE] = "online", [SIGHTING_DRAINING] = "draining", [SIGHTING_LEFT] = "offline"};

static const char *generations(const struct sighting *seen)
{
    return !seen->instance[0] ? "0.2.0" : seen->legacy ? "both" : "latest";
}

static json_t *to_json(const struct sighting *seen)
{
    json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s}", "workspace", seen->workspace, "agent",
                            seen->agent, "state", states[seen->state], "generation",
                            generations(seen), "last_seen", unit_iso_time_text(seen->seen_ms));
    if (seen->instance[0])
        json_object_set_new(out, "instance", json_string(seen->instance));
    if (seen->hello) {
        json_object_set_new(out, "name", json_string(seen->name));
        json_object_set_new(out, "version", json_string(seen->version));
        json_object_set_new(out, "platform", json_string(seen->platform));
        json_object_set_new(out, "workspace_root", json_string(seen->root));
        json_object_set_new(out, "desktop", json_boolean(seen->desktop));
    }
    if (seen->measured) {
        json_object_set_new(out, "load1", json_real(seen->load1));
        json_object_set_new(out, "cpu_percent", json_real(seen->cpu_percent));
        json_object_set_new(out, "mem_used_bytes", json_integer((json_int_t)seen->mem_used));
        json_object_set_new(out, "mem_total_bytes", json_integer((json_int_t)seen->mem_total));
    }
    if (seen->uptime_ms)
        json_object_set_new(out, "uptime_ms", json_integer((json_int_t)seen->uptime_ms));
    return out;
}

static void print_json(const struct sighting *list, size_t count)
{
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(all, to_json(&list[i]));
    ctl_json(all);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Digits that tell all ids apart, so that what is printed can be used as a MACHINE. Sorts them: of
// those in order, neighbours are alike the longest.
static size_t digits_needed(const char **ids, size_t count)
{
    size_t digits = CTL_PREFIX_SURE;
    qsort(ids, count, sizeof *ids, by_text);
    for (size_t i = 1; i < count; i++)
        while (digits < SIGHTING_ID_BYTES && strncmp(ids[i - 1], ids[i], digits) == 0 &&
               strcmp(ids[i - 1], ids[i]) != 0)
            digits++;
    return digits;
}

static size_t heard_digits(const struct sighting *list, size_t count)
{
    const char **ids = mem_array(count, sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = list[i].agent;
    size_t digits = digits_needed(ids, count);
    mem_free(ids);
    return digits;
}

static void print_table(const struct sighting *list, size_t count, bool whole)
{
    static const char *const heads[] = {"MACHINE",  "NAME", "WORKSPACE", "GENERATION", "STATE",
                                        "-LOAD",    "-CPU", "-MEMORY",   "-UP",        "VERSION",
                                        "PLATFORM", "SEEN", NULL};
    struct columns *table = columns_new(heads);
    size_t digits = whole ? SIGHTING_ID_BYTES : heard_digits(list, count);
    int64_t now = clock_wall_ms();
    for (size_t i = 0; i < count; i++) {
        const struct sighting *seen = &list[i];
        columns_addf(table, "%.*s", (int)digits, seen->agent);
        columns_add(table, seen->hello ? seen->name : "-");
        columns_addf(table, "%.*s", whole ? SIGHTING_ID_BYTES : CTL_PREFIX_SURE, seen->workspace);
        columns_add(table, generations(seen));
        columns_add(table, states[seen->state]);
        if (seen->measured) {
            columns_addf(table, "%.2f", seen->load1);
            columns_addf(table, "%.0f%%", seen->cpu_percent);
            columns_addf(table, "%s/%s", unit_size_text(seen->mem_used),
                         unit_size_text(seen->mem_total));
        } else {
            for (int k = 0; k < 3; k++)
                columns_add(table, "-");
        }
        columns_add(table, seen->uptime_ms ? unit_age_text((int64_t)seen->uptime_ms) : "-");
        columns_add(table, seen->hello ? seen->version : "-");
        columns_add(table, seen->hello ? seen->platform : "-");
        columns_add(table, unit_age_text(now - seen->seen_ms));
    }
    columns_print(table, stdout);
    columns_free(table);
}

// --- as a hub lists them

static const char *text_at(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static double number_at(json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void copy(json_t *to, const char *name, json_t *from, const char *as)
{
    json_t *value = json_object_get(from, as);
    if (value)
        json_object_set(to, name, value);
}

// The names that machines have where they are heard.
static json_t *hub_machine_json(json_t *machine)
{
    json_t *out = json_object(), *metrics = json_object_get(machine, "metrics");
    int64_t seen = (int64_t)number_at(machine, "seen_ms");
    copy(out, "agent", machine, "id");
    copy(out, "name", machine, "name");
    copy(out, "state", machine, "state");
    copy(out, "draining", machine, "draining");
    json_object_set_new(out, "platform",
                        json_sprintf("%s/%s", text_at(machine, "os"), text_at(machine, "arch")));
    copy(out, "version", machine, "version");
    copy(out, "desktop", machine, "desktop");
    copy(out, "screen_control", machine, "screen_control");
    if (seen)
        json_object_set_new(out, "last_seen", json_string(unit_iso_time_text(seen)));
    copy(out, "load1", metrics, "load1");
    copy(out, "cpu_percent", metrics, "cpu_percent");
    copy(out, "mem_used_bytes", metrics, "mem_used");
    copy(out, "mem_total_bytes", metrics, "mem_total");
    copy(out, "uptime_ms", machine, "uptime_ms");
    return out;
}

static size_t hub_digits(json_t *machines)
{
    size_t count = json_array_size(machines);
    const char **ids = mem_array(count, sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = text_at(json_array_get(machines, i), "id");
    size_t digits = digits_needed(ids, count);
    mem_free(ids);
    return digits;
}

static void add_row(struct columns *table, json_t *machine, size_t digits, int64_t now)
{
    json_t *metrics = json_object_get(machine, "metrics");
    const char *state = text_at(machine, "state");
    bool online = strcmp(state, "online") == 0;
    int64_t seen = (int64_t)number_at(machine, "seen_ms");
    const char *version = text_at(machine, "version");
    columns_addf(table, "%.*s", (int)digits, text_at(machine, "id"));
    columns_add(table, text_at(machine, "name"));
    columns_add(table,
                online && json_is_true(json_object_get(machine, "draining")) ? "draining" : state);
    columns_addf(table, "%s/%s", text_at(machine, "os"), text_at(machine, "arch"));
    columns_add(table, seen ? unit_age_text(now - seen) : "never");
    if (online && metrics) {
        columns_addf(table, "%.2f", number_at(metrics, "load1"));
        columns_addf(table, "%.0f%%", number_at(metrics, "cpu_percent"));
        columns_addf(table, "%s/%s", unit_size_text((uint64_t)number_at(metrics, "mem_used")),
                     unit_size_text((uint64_t)number_at(metrics, "mem_total")));
        columns_add(table, unit_age_text((int64_t)number_at(machine, "uptime_ms")));
    } else {
        for (int k = 0; k < 4; k++)
            columns_add(table, "-");
    }
    columns_add(table, *version ? version : "-");
}

static void print_hub_table(json_t *machines, bool whole)
{
    static const char *const heads[] = {"MACHINE", "NAME",    "STATE", "PLATFORM", "SEEN", "-LOAD",
                                        "-CPU",    "-MEMORY", "-UP",   "VERSION",  NULL};
    struct columns *table = columns_new(heads);
    size_t digits = whole ? SIGHTING_ID_BYTES : hub_digits(machines), i;
    int64_t now = clock_wall_ms();
    json_t *machine;
    json_array_foreach(machines, i, machine) add_row(table, machine, digits, now);
    columns_print(table, stdout);
    columns_free(table);
}

static int list_from_hub(struct ctl *ctl, bool whole, bool all)
{
    struct fault fault;
    json_t *machines, *machine;
    if (!registry_list(&ctl->hub, CTL_HUB_MS, &machines, &fault))
        return ctl_fault(ctl, &fault);
    for (size_t i = json_array_size(machines); i-- > 0 && !all;)
        if (strcmp(text_at(json_array_get(machines, i), "state"), "revoked") == 0)
            json_array_remove(machines, i);
    if (ctl->json) {
        json_t *out = json_array();
        size_t i;
        json_array_foreach(machines, i, machine)
            json_array_append_new(out, hub_machine_json(machine));
        ctl_json(out);
    } else if (json_array_size(machines) > 0) {
        print_hub_table(machines, whole);
    } else {
        fprintf(stderr, "opengeni-ctl: no machine is enrolled: opengeni-hub token makes a token "
                        "for opengeni-agent connect --token\n");
    }
    json_decref(machines);
    return ctl->status;
}

enum { OPTION_LONG = 'l', OPTION_ALL = 'a', OPTION_LISTEN = COMMON_LAST };

static int run(struct ctl *ctl, struct arguments *args)
{
    bool whole = false, all = false, listen = false;
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return ctl->status;
        whole |= key == OPTION_LONG;
        all |= key == OPTION_ALL;
        listen |= key == OPTION_LISTEN;
    }
    if (!ctl_operands(ctl, args, 0, 0) || !ctl_find(ctl))
        return ctl->status;
    if (ctl->has_hub && !listen)
        return list_from_hub(ctl, whole, all);
    if (!ctl_online(ctl))
        return ctl->status;
    struct fault fault;
    ctl->directory = directory_new();
    if (!directory_listen(ctl->directory, ctl->connection.nats, &fault))
        return ctl_fault(ctl, &fault);
    interrupt_watch(); // then what has been heard is shown
    int64_t until = clock_mono_ms() + (ctl->wait_ms ? ctl->wait_ms : CTL_LISTEN_MS);
    for (int64_t now; (now = clock_mono_ms()) < until && !interrupted();)
        directory_wait(ctl->directory,
                       now + CTL_WAIT_SLICE_MS < until ? now + CTL_WAIT_SLICE_MS : until);
    size_t count;
    struct sighting *list = directory_list(ctl->directory, &count);
    if (ctl->json)
        print_json(list, count);
    else if (count > 0)
        print_table(list, count, whole);
    else if (!interrupted())
        fprintf(stderr, "opengeni-ctl: no machine has spoken\n");
    mem_free(list);
    return ctl->status;
}

static const struct argument arguments[] = {
    {OPTION_LONG, "long", NULL, "whole ids"},
    {OPTION_ALL, "all", NULL, "also the revoked ones that a hub remembers"},
    {OPTION_LISTEN, "listen", NULL, "those heard now, although there is a hub"},
    {0},
};

const struct command command_machines = {
    .name = "machines",
    .operands = "",
    .summary = "List the machines that the hub knows, or that are heard now",
    .notes = "Without a hub, machines are listened for (6 s, or --wait). GENERATION tells\n"
             "which control planes the machine can serve: 0.2.0, latest, or both. Name,\n"
             "version and platform are known once the machine has said hello (--wait 310).\n",
    .arguments = arguments,
    .run = run,
};
