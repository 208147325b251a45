#include "hub/cut.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

struct cut {
    struct cut_order order;
    int64_t at_ms; // mono
    unsigned left; // how often yet
};

void cuts_fini(struct cuts *cuts)
{
    mem_free(cuts->entries);
    *cuts = (struct cuts){0};
}

void cuts_add(struct cuts *cuts, const char *machine, int64_t before_ns, int64_t now_ms)
{
    size_t i = 0;
    while (i < cuts->count && strcmp(cuts->entries[i].order.machine, machine) != 0)
        i++;
    if (i == cuts->count && cuts->count++ == cuts->room) {
        cuts->room = cuts->room ? 2 * cuts->room : 16;
        cuts->entries = mem_resize(cuts->entries, cuts->room * sizeof *cuts->entries);
    }
    cuts->entries[i] = (struct cut){.order = {.before_ns = before_ns}, .at_ms = now_ms, .left = 2};
    snprintf(cuts->entries[i].order.machine, UUID_BYTES, "%s", machine);
}

int64_t cuts_next(struct cuts *cuts, int64_t now_ms, struct cut_order *order)
{
    int64_t wait_ms = -1;
    for (size_t i = 0; i < cuts->count; i++) {
        struct cut *entry = &cuts->entries[i];
        if (entry->at_ms > now_ms) {
            if (wait_ms < 0 || entry->at_ms - now_ms < wait_ms)
                wait_ms = entry->at_ms - now_ms;
            continue;
        }
        *order = entry->order;
        entry->at_ms = now_ms + HUB_CUT_AGAIN_MS;
        if (--entry->left == 0)
            *entry = cuts->entries[--cuts->count];
        return 0;
    }
    return wait_ms;
}

// The connections that the callout named after the machine.
static json_t *connections_of(natsConnection *system, const char *server, const char *machine)
{
    char subject[160], question[160];
    snprintf(subject, sizeof subject, "$SYS.REQ.SERVER.%s.CONNZ", server);
    snprintf(question, sizeof question, "{\"auth\":true,\"user\":\"%s\",\"limit\":%d}", machine,
             HUB_CUT_CONNECTIONS_MAX);
    natsMsg *reply = NULL;
    if (natsConnection_RequestString(&reply, system, subject, question, HUB_CUT_MS) != NATS_OK)
        return NULL;
    json_t *answer =
        json_loadb(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply), 0, NULL);
    natsMsg_Destroy(reply);
    json_t *list = json_object_get(json_object_get(answer, "data"), "connections");
    json_incref(list);
    json_decref(answer);
    return list;
}

// "Z" or "+07:00": seconds east of Greenwich.
static bool parse_zone(const char *text, int64_t *east_s)
{
    static const char form[] = "+00:00";
    *east_s = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if (strlen(text) != strlen(form) || (*text != '+' && *text != '-'))
        return false;
    for (int i = 1; form[i]; i++)
        if (form[i] == ':' ? text[i] != ':' : text[i] < '0' || text[i] > '9')
            return false;
    int64_t hours = (text[1] - '0') * 10 + text[2] - '0',
            minutes = (text[4] - '0') * 10 + text[5] - '0';
    *east_s = (hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
    return true;
}

int64_t cut_parse_time(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return -1;
    int64_t ns = 0, unit = 100000000, east_s;
    if (*rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            ns += (*rest - '0') * unit;
    if (!parse_zone(rest, &east_s))
        return -1;
    int64_t unix_s = (int64_t)timegm(&tm) - east_s;
    return unix_s >= 0 && unix_s < INT64_MAX / 1000000000 ? unix_s * 1000000000 + ns : -1;
}

bool cut_concerns(const struct cut_order *order, const char *start, int64_t now_ns)
{
    if (order->before_ns == CUT_EVERY || !start)
        return true;
    int64_t start_ns = cut_parse_time(start);
    return start_ns < order->before_ns || start_ns > now_ns;
}

static bool kick(natsConnection *system, const char *subject, json_t *connection)
{
    char question[64];
    snprintf(question, sizeof question, "{\"cid\":%lld}",
             (long long)json_integer_value(json_object_get(connection, "cid")));
    natsMsg *reply = NULL;
    natsStatus status = natsConnection_RequestString(&reply, system, subject, question, HUB_CUT_MS);
    natsMsg_Destroy(reply);
    return status == NATS_OK;
}

void cut_carry_out(natsConnection *system, const struct cut_order *order)
{
    char server[128], subject[160];
    if (natsConnection_GetConnectedServerId(system, server, sizeof server) != NATS_OK)
        return;
    snprintf(subject, sizeof subject, "$SYS.REQ.SERVER.%s.KICK", server);
    json_t *list = connections_of(system, server, order->machine);
    int64_t now_ns = clock_wall_ns();
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *connection = json_array_get(list, i);
        if (!cut_concerns(order, json_string_value(json_object_get(connection, "start")), now_ns))
            continue;
        count++;
        if (!kick(system, subject, connection))
            log_warn("nats-server did not cut a connection", "machine", order->machine, NULL);
    }
    json_decref(list);
    if (count)
        log_info("connections cut", "machine", order->machine, "connections", log_num(count), NULL);
}
