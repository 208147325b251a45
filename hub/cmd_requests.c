// opengeni-hub requests, approve, deny, workspace: machines that ask to be let in.
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "hub/data_dir.h"
#include "hub/devices.h"
#include "hub/local_call.h"
#include "hub/store.h"
#include "hub/verbs.h"

static const char requests_usage[] =
    "Usage: opengeni-hub requests [--data DIR] [--json]\n"
    "Lists the machines that ran opengeni-agent connect and wait for a decision.\n";
static const char approve_usage[] =
    "Usage: opengeni-hub approve [--data DIR] [--screen-control] CODE\n"
    "Lets in the machine that shows CODE. Whoever commands the hub can then run\n"
    "any command on it; with --screen-control also use its mouse and keyboard.\n";
static const char deny_usage[] = "Usage: opengeni-hub deny [--data DIR] CODE\n"
                                 "Refuses the machine that shows CODE.\n";
static const char workspace_usage[] =
    "Usage: opengeni-hub workspace [--data DIR]\n"
    "Prints the id for opengeni-agent connect --workspace-id ID\n";

static const struct option options[] = {
    {"data", required_argument, NULL, 'd'},
    {"json", no_argument, NULL, 'j'},
    {"screen-control", no_argument, NULL, 's'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct ask {
    const char *usage, *allowed; // letters of the options that it knows
    int arguments;
    const char *path; // --data
    bool json, screen;
    char **words;
};

// -1: go on; else the exit status.
static int parse(int argc, char **argv, struct ask *ask)
{
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(ask->usage, stdout);
            return 0;
        }
        if (option == '?' || !strchr(ask->allowed, option))
            return verb_misused(ask->usage);
        if (option == 'd')
            ask->path = optarg;
        ask->json |= option == 'j';
        ask->screen |= option == 's';
    }
    ask->words = argv + optind;
    return argc - optind == ask->arguments ? -1 : verb_misused(ask->usage);
}

// Only a running hub knows who waits.
static json_t *call(const struct ask *ask, const char *route, json_t *body)
{
    struct fail why;
    struct data_dir dir;
    json_t *answer = NULL;
    if (!verb_open_dir(&dir, ask->path, &why)) {
        verb_failed(&why);
        return NULL;
    }
    enum local_result result = local_call(&dir, route, body, &answer, &why);
    if (result == LOCAL_NO_HUB)
        fail_because(&why, FAIL_INVALID, "no hub runs here, so no machine waits");
    if (result != LOCAL_DONE)
        verb_failed(&why);
    data_dir_close(&dir);
    return result == LOCAL_DONE ? answer : NULL;
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : "-";
}

int cmd_requests(int argc, char **argv)
{
    struct ask ask = {.usage = requests_usage, .allowed = "dj"};
    int status = parse(argc, argv, &ask);
    if (status >= 0)
        return status;
    json_t *answer = call(&ask, "/api/requests", NULL), *list = json_object_get(answer, "requests"),
           *one;
    size_t i;
    if (!answer)
        return 1;
    if (ask.json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (json_array_size(list) == 0) {
        puts("No machine waits.");
    } else {
        printf("%-10s %-24s %-14s %-22s %s\n", "CODE", "NAME", "SYSTEM", "FROM", "KEY");
        json_array_foreach(list, i, one)
        {
            char system[40];
            snprintf(system, sizeof system, "%s %s", text_of(one, "os"), text_of(one, "arch"));
            printf("%-10s %-24s %-14s %-22s %s\n", text_of(one, "user_code"), text_of(one, "name"),
                   system, text_of(one, "address"), text_of(one, "public_key"));
        }
    }
    json_decref(answer);
    return fflush(stdout) == 0 ? 0 : 1;
}

static bool is_code(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    size_t size = strlen(text);
    return size > 0 && size < 2 * (size_t)DEVICE_USER_CODE_BYTES && strspn(text, letters) == size;
}

static int decide(struct ask *ask, bool approve)
{
    if (!is_code(ask->words[0])) {
        struct fail why;
        fail_because(&why, FAIL_INVALID, "this is no code; the machine shows one like ABCD-2345");
        return verb_failed(&why);
    }
    char *route = mem_printf("/api/requests/%s/%s", ask->words[0], approve ? "approve" : "deny");
    json_t *body = json_pack("{s:b}", "screen_control", ask->screen),
           *answer = call(ask, route, body);
    if (answer)
        printf("%s %s (%s %s, from %s, key %s)%s.\n", approve ? "Approved" : "Denied",
               text_of(answer, "name"), text_of(answer, "os"), text_of(answer, "arch"),
               text_of(answer, "address"), text_of(answer, "public_key"),
               !approve      ? ""
               : ask->screen ? ", with mouse and keyboard"
                             : ", without mouse and keyboard");
    mem_free(route);
    json_decref(body);
    json_decref(answer);
    return answer && fflush(stdout) == 0 ? 0 : 1;
}

int cmd_approve(int argc, char **argv)
{
    struct ask ask = {.usage = approve_usage, .allowed = "ds", .arguments = 1};
    int status = parse(argc, argv, &ask);
    return status >= 0 ? status : decide(&ask, true);
}

int cmd_deny(int argc, char **argv)
{
    struct ask ask = {.usage = deny_usage, .allowed = "d", .arguments = 1};
    int status = parse(argc, argv, &ask);
    return status >= 0 ? status : decide(&ask, false);
}

int cmd_workspace(int argc, char **argv)
{
    struct ask ask = {.usage = workspace_usage, .allowed = "d"};
    struct fail why;
    struct data_dir dir;
    struct store store;
    int status = parse(argc, argv, &ask);
    if (status >= 0)
        return status;
    if (!verb_open_dir(&dir, ask.path, &why))
        return verb_failed(&why);
    if (store_open(&store, &dir, &why)) {
        puts(store.workspace);
        store_close(&store);
        status = fflush(stdout) == 0 ? 0 : 1;
    } else {
        status = verb_failed(&why);
    }
    data_dir_close(&dir);
    return status;
}
