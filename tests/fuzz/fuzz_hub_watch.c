// Messages of machines: two lines of text (subject, then an address to answer from), then bytes.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/log.h"
#include "hub/machine_json.h"
#include "hub/roster.h"
#include "hub/watch.h"

#define MACHINE "11111111-0000-4000-8000-000000000001"

static void show_as(json_t *shown)
{
    char *text = json_dumps(shown, JSON_COMPACT);
    if (!json_is_object(shown) || !text)
        abort(); // whatever a machine says, the API can show it
    mem_free(text);
    json_decref(shown);
}

static void show(void *context, struct machine *machine)
{
    (void)context;
    show_as(machine_json(machine, "w"));
    show_as(machine_summary(machine));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    log_set_level(LOG_OFF);
    struct roster *roster = roster_new("w", true);
    struct machine_record record = {.public_key = mem_string("k"), .name = mem_string("n")};
    memcpy(record.id, MACHINE, sizeof MACHINE);
    roster_put(roster, &record);
    struct watch watch = {.roster = roster};
    struct moment now = {1000, 1700000000000};

    const uint8_t *end = memchr(data, '\n', size);
    size_t line = end ? (size_t)(end - data) : 0;
    char *subject = mem_printf("%.*s", (int)line, (const char *)data);
    const uint8_t *rest = end ? end + 1 : data;
    size_t left = size - (size_t)(rest - data);
    watch_feed(&watch, subject, rest, left, now);
    watch_feed(&watch, "agent.w." MACHINE ".connection.i.hello", rest, left, now);
    watch_feed(&watch, "agent.w." MACHINE ".connection.i.events", rest, left, now);
    watch_feed(&watch, "agent.w." MACHINE ".events", rest, left, now);
    roster_visit(roster, MACHINE, show, NULL);
    mem_free(subject);
    roster_free(roster);
    return 0;
}
