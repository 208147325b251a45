#include "hub/cut.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"

struct cut {
    char machine[UUID_BYTES];
    int64_t at_ms;
    unsigned left; // how often yet
};

void cuts_fini(struct cuts *cuts)
{
    mem_free(cuts->entries);
    *cuts = (struct cuts){0};
}

void cuts_add(struct cuts *cuts, const char *machine, int64_t now_ms)
{
    size_t i = 0;
    while (i < cuts->count && strcmp(cuts->entries[i].machine, machine) != 0)
        i++;
    if (i == cuts->count && cuts->count++ == cuts->room) {
        cuts->room = cuts->room ? 2 * cuts->room : 16;
        cuts->entries = mem_resize(cuts->entries, cuts->room * sizeof *cuts->entries);
    }
    cuts->entries[i] = (struct cut){.at_ms = now_ms, .left = 2};
    snprintf(cuts->entries[i].machine, UUID_BYTES, "%s", machine);
}

int64_t cuts_next(struct cuts *cuts, int64_t now_ms, char machine[UUID_BYTES])
{
    int64_t wait_ms = -1;
    for (size_t i = 0; i < cuts->count; i++) {
        struct cut *entry = &cuts->entries[i];
        if (entry->at_ms > now_ms) {
            if (wait_ms < 0 || entry->at_ms - now_ms < wait_ms)
                wait_ms = entry->at_ms - now_ms;
            continue;
        }
        memcpy(machine, entry->machine, UUID_BYTES);
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

void cut_machine(natsConnection *system, const char *machine)
{
    char server[128], subject[160], question[64];
    if (natsConnection_GetConnectedServerId(system, server, sizeof server) != NATS_OK)
        return;
    snprintf(subject, sizeof subject, "$SYS.REQ.SERVER.%s.KICK", server);
    json_t *list = connections_of(system, server, machine);
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        json_int_t id = json_integer_value(json_object_get(json_array_get(list, i), "cid"));
        snprintf(question, sizeof question, "{\"cid\":%lld}", (long long)id);
        natsMsg *reply = NULL;
        if (natsConnection_RequestString(&reply, system, subject, question, HUB_CUT_MS) != NATS_OK)
            log_warn("nats-server did not cut a connection", "machine", machine, NULL);
        natsMsg_Destroy(reply);
    }
    json_decref(list);
    if (count)
        log_info("connections cut", "machine", machine, "connections", log_num(count), NULL);
}
