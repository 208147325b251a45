#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "hub/data_dir.h"
#include "hub/enrol.h"
#include "hub/secrets.h"
#include "hub/store.h"
#include "hub/verbs.h"

static const char usage[] =
    "Usage: opengeni-hub token [--data DIR] [OPTION]...\n"
    "Prints a token that enrols one machine, once, with connect --token-file FILE.\n"
    "  --ttl TIME         good for so long: 30s, 15m, 1h (default), 7d\n"
    "  --screen-control   the machine's mouse and keyboard may be used\n"
    "  --count N          so many tokens, a line each\n";

static const struct option options[] = {
    {"data", required_argument, NULL, 'd'},     {"ttl", required_argument, NULL, 't'},
    {"screen-control", no_argument, NULL, 's'}, {"count", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},           {0},
};

static bool parse_time(const char *text, int64_t *ms)
{
    char *unit;
    errno = 0;
    long long value = strtoll(text, &unit, 10);
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(unit, units[i].name) == 0 && errno == 0 && value > 0 &&
            value <= HUB_TOKEN_TTL_MAX_MS / units[i].ms) {
            *ms = value * units[i].ms;
            return true;
        }
    return false;
}

static int print_tokens(const char *path, int64_t ttl_ms, bool screen, long count)
{
    struct fail why;
    struct data_dir dir;
    struct secrets secrets;
    struct store store;
    if (!verb_open_dir(&dir, path, &why))
        return verb_failed(&why);
    int status = 0;
    if (!secrets_load(&secrets, &dir, &why) || !store_open(&store, &dir, &why)) {
        status = verb_failed(&why);
    } else {
        for (; count > 0 && status == 0; count--) {
            char *token = enrol_token(&store, &secrets, ttl_ms, screen, &why);
            if (!token)
                status = verb_failed(&why);
            else if (puts(token) < 0)
                status = 1;
            mem_free_secret(token);
        }
        store_close(&store);
    }
    secrets_wipe(&secrets);
    data_dir_close(&dir);
    return fflush(stdout) == 0 ? status : 1;
}

int cmd_token(int argc, char **argv)
{
    const char *path = NULL;
    int64_t ttl_ms = HUB_TOKEN_TTL_MS;
    bool screen = false;
    long count = 1;
    char *end;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'd':
            path = optarg;
            break;
        case 't':
            if (!parse_time(optarg, &ttl_ms))
                return verb_misused("opengeni-hub: --ttl wants 1s to 30d, like 90s, 15m, 1h, 7d\n");
            break;
        case 's':
            screen = true;
            break;
        case 'c':
            count = strtol(optarg, &end, 10);
            if (*end || count < 1 || count > HUB_TOKENS_AT_ONCE)
                return verb_misused("opengeni-hub: --count wants 1 to 10000\n");
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return verb_misused(usage);
        }
    }
    return optind < argc ? verb_misused(usage) : print_tokens(path, ttl_ms, screen, count);
}
