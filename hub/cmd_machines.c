#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "hub/data_dir.h"
#include "hub/local_call.h"
#include "hub/machine_json.h"
#include "hub/roster.h"
#include "hub/store.h"
#include "hub/verbs.h"

static const char usage[] = "Usage: opengeni-hub machines [--data DIR] [--json]\n"
                            "Lists the enrolled machines.\n";

static const struct option options[] = {
    {"data", required_argument, NULL, 'd'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static const char *string_of(json_t *machine, const char *key)
{
    const char *text = json_string_value(json_object_get(machine, key));
    return text ? text : "-";
}

// "now", "12 s", "3 min", "5 h", "8 d": how long ago.
static void print_age(int64_t then_ms, int64_t now_ms, char text[16])
{
    int64_t s = (now_ms - then_ms) / 1000;
    if (then_ms == 0)
        snprintf(text, 16, "never");
    else if (s < 10)
        snprintf(text, 16, "now");
    else if (s < 120)
        snprintf(text, 16, "%d s", (int)s);
    else if (s < 2ll * 3600)
        snprintf(text, 16, "%d min", (int)(s / 60));
    else if (s < 2ll * 86400)
        snprintf(text, 16, "%d h", (int)(s / 3600));
    else
        snprintf(text, 16, "%d d", (int)(s / 86400 < 100000 ? s / 86400 : 99999));
}

static void print_table(json_t *machines)
{
    int64_t now_ms = clock_wall_ms();
    size_t i;
    json_t *machine;
    if (json_array_size(machines) == 0) {
        puts("No machine is enrolled yet. Make a token with: opengeni-hub token");
        return;
    }
    printf("%-36s  %-20s  %-8s  %-7s  %-8s  %s\n", "ID", "NAME", "STATE", "SEEN", "VERSION",
           "LOAD");
    json_array_foreach(machines, i, machine)
    {
        char seen[16], load[16] = "-";
        print_age(json_integer_value(json_object_get(machine, "seen_ms")), now_ms, seen);
        json_t *metrics = json_object_get(machine, "metrics");
        if (metrics && strcmp(string_of(machine, "state"), "online") == 0)
            snprintf(load, sizeof load, "%.2f", json_real_value(json_object_get(metrics, "load1")));
        printf("%-36s  %-20s  %-8s  %-7s  %-8s  %s\n", string_of(machine, "id"),
               string_of(machine, "name"), string_of(machine, "state"), seen,
               string_of(machine, "version"), load);
    }
}

static void add_offline(void *context, struct machine *machine)
{
    json_t *answer = context;
    json_array_append_new(json_object_get(answer, "machines"), machine_summary(machine));
}

static bool read_store(const struct data_dir *dir, json_t **answer, struct fail *why)
{
    struct store store;
    struct roster *roster;
    if (!verb_open_store(dir, &store, &roster, why))
        return false;
    *answer = json_pack("{s:s, s:[]}", "workspace_id", store.workspace, "machines");
    roster_each(roster, add_offline, *answer);
    roster_free(roster);
    store_close(&store);
    return true;
}

int cmd_machines(int argc, char **argv)
{
    const char *path = NULL;
    bool as_json = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'd':
            path = optarg;
            break;
        case 'j':
            as_json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return verb_misused(usage);
        }
    }
    if (optind < argc)
        return verb_misused(usage);
    struct fail why;
    struct data_dir dir;
    if (!verb_open_dir(&dir, path, &why))
        return verb_failed(&why);
    json_t *answer = NULL;
    enum local_result result = local_call(&dir, "/api/machines", NULL, &answer, &why);
    if (result == LOCAL_NO_HUB && read_store(&dir, &answer, &why)) {
        fputs("opengeni-hub: no hub is running, so no machine is online\n", stderr);
        result = LOCAL_DONE;
    }
    data_dir_close(&dir);
    if (result != LOCAL_DONE)
        return verb_failed(&why);
    if (as_json) {
        char *text = json_dumps(answer, JSON_INDENT(2));
        puts(text);
        mem_free(text);
    } else {
        print_table(json_object_get(answer, "machines"));
    }
    json_decref(answer);
    return fflush(stdout) == 0 ? 0 : 1;
}
