#include "hub/machine_json.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/limits.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "hub/roster.h"
#include "proto/decode.h"
#include "proto/opengeni_agent.pb-c.h"

static const char *state_of(const struct machine *machine)
{
    return machine->record.revoked_ms ? "revoked"
           : machine->online          ? "online"
           : machine->seen_ms         ? "offline"
                                      : "new";
}

// A machine's own words, for programs that show them on a terminal.
static json_t *words_of(const char *text)
{
    char *plain = printable_copy(text);
    json_t *value = json_string(plain);
    mem_free(plain);
    return value;
}

static json_t *capabilities_json(const Og__Capabilities *has)
{
    json_t *display = json_null();
    if (has->display)
        display = json_pack("{s:s, s:I, s:I, s:b}", "id", has->display->id, "width",
                            (json_int_t)has->display->width, "height",
                            (json_int_t)has->display->height, "virtual", has->display->virtual_);
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:o, s:o}", "exec", has->exec, "filesystem",
                     has->filesystem, "git", has->git, "pty", has->pty, "desktop", has->desktop,
                     "op_stream", has->op_stream, "desktop_unavailable_reason",
                     words_of(has->desktop_unavailable_reason), "display", display);
}

// What the machine said last about itself, decoded when it is asked for.
static void add_hello(json_t *object, const struct machine *machine)
{
    struct arena arena;
    arena_init(&arena, HUB_EVENT_ARENA_BYTES);
    const Og__Hello *hello = machine->hello
                                 ? decode_message(&arena, &og__hello__descriptor, machine->hello,
                                                  machine->hello_size, NULL)
                                 : NULL;
    if (hello) {
        json_object_set_new(object, "version", words_of(hello->agent_version));
        json_object_set_new(object, "desktop",
                            json_boolean(hello->capabilities && hello->capabilities->desktop));
    }
    if (hello)
        json_object_set_new(
            object, "hello",
            json_pack("{s:o, s:o, s:o, s:o, s:o}", "host_name", words_of(hello->machine_name),
                      "workspace_root", words_of(hello->workspace_root), "update_channel",
                      words_of(hello->update_channel), "binary_sha256",
                      words_of(hello->binary_sha256), "capabilities",
                      hello->capabilities ? capabilities_json(hello->capabilities) : json_null()));
    arena_fini(&arena);
}

static json_t *sample_json(const struct sample *sample)
{
    return json_pack(
        "{s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I}", "at_ms", (json_int_t)sample->unix_ms,
        "cpu_percent", sample->cpu_percent, "load1", sample->load1, "run_queue", sample->run_queue,
        "mem_used", (json_int_t)sample->mem_used, "mem_total", (json_int_t)sample->mem_total,
        "disk_used", (json_int_t)sample->disk_used, "disk_total", (json_int_t)sample->disk_total);
}

// Decoded once, not for each list.
static void read_hello(struct machine *machine)
{
    struct arena arena;
    arena_init(&arena, HUB_EVENT_ARENA_BYTES);
    const Og__Hello *hello =
        decode_message(&arena, &og__hello__descriptor, machine->hello, machine->hello_size, NULL);
    char *version = printable_copy(hello ? hello->agent_version : "");
    snprintf(machine->version, sizeof machine->version, "%.*s",
             (int)utf8_cut(version, sizeof machine->version - 1), version);
    mem_free(version);
    machine->desktop = hello && hello->capabilities && hello->capabilities->desktop;
    machine->hello_read = true;
    arena_fini(&arena);
}

static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new_nocheck(object, key, value);
}

json_t *machine_summary(struct machine *machine)
{
    const struct machine_record *record = &machine->record;
    const struct sample *sample = &machine->sample;
    json_t *object = json_object();
    if (machine->hello && !machine->hello_read)
        read_hello(machine);
    set(object, "id", json_string_nocheck(record->id));
    set(object, "name", json_string(record->name));
    set(object, "state", json_string_nocheck(state_of(machine)));
    set(object, "os", json_string_nocheck(record->os));
    set(object, "arch", json_string_nocheck(record->arch));
    set(object, "seen_ms", json_integer((json_int_t)machine->seen_ms));
    set(object, "screen_control", json_boolean(record->screen_control));
    if (machine->hello_read) {
        set(object, "version", json_string(machine->version));
        set(object, "desktop", json_boolean(machine->desktop));
    }
    if (machine->online) {
        set(object, "uptime_ms", json_integer((json_int_t)machine->uptime_ms));
        set(object, "draining", json_boolean(machine->draining));
    }
    if (sample->unix_ms) {
        json_t *metrics = json_object();
        set(metrics, "load1", json_real(sample->load1));
        set(metrics, "cpu_percent", json_real(sample->cpu_percent));
        set(metrics, "mem_used", json_integer((json_int_t)sample->mem_used));
        set(metrics, "mem_total", json_integer((json_int_t)sample->mem_total));
        set(object, "metrics", metrics);
    }
    return object;
}

json_t *machine_json(const struct machine *machine, const char *workspace)
{
    const struct machine_record *record = &machine->record;
    // The address of the live process, where requests go (".rpc").
    json_t *subject =
        *machine->instance && machine->online
            ? json_sprintf("agent.%s.%s.connection.%s", workspace, record->id, machine->instance)
        : machine->online ? json_sprintf("agent.%s.%s", workspace, record->id)
                          : json_null();
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:b}", "id", record->id, "name",
        record->name, "state", state_of(machine), "os", record->os, "arch", record->arch, "subject",
        subject, "enrolled_ms", (json_int_t)record->enrolled_ms, "revoked_ms",
        (json_int_t)record->revoked_ms, "bearer_expires_ms", (json_int_t)record->bearer_expires_ms,
        "seen_ms", (json_int_t)machine->seen_ms, "since_ms", (json_int_t)machine->since_ms,
        "screen_control", record->screen_control);
    if (!object)
        return json_null();
    if (machine->sample.unix_ms)
        json_object_set_new(object, "metrics", sample_json(&machine->sample));
    if (machine->online) {
        json_object_set_new(object, "uptime_ms", json_integer((json_int_t)machine->uptime_ms));
        json_object_set_new(object, "draining", json_boolean(machine->draining));
    }
    add_hello(object, machine);
    json_object_set_new(object, "generation", json_integer(record->generation));
    json_object_set_new(object, "goodbye_reason", json_integer(machine->goodbye));
    json_object_set_new(object, "ignored_messages", json_integer((json_int_t)machine->ignored));
    return object;
}
