#include "hub/verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "hub/data_dir.h"
#include "hub/observed.h"
#include "hub/roster.h"
#include "hub/store.h"

int verb_failed(const struct fail *why)
{
    char text[FAIL_TEXT_BYTES];
    fprintf(stderr, "opengeni-hub: %s\n", fail_text(why, text, sizeof text));
    return 1;
}

int verb_misused(const char *usage)
{
    fputs(usage, stderr);
    return 2;
}

int verb_words(int argc, char **argv, const char *usage, int count, const char **path)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    *path = NULL;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option != 'd')
            return verb_misused(usage);
        *path = optarg;
    }
    return argc - optind == count ? -1 : verb_misused(usage);
}

bool verb_open_dir(struct data_dir *dir, const char *path, struct fail *why)
{
    char *chosen = path ? mem_string(path) : data_dir_default();
    bool done = data_dir_open(dir, chosen, false, why);
    if (!done && why->error == ENOENT)
        fail_because(why, FAIL_INVALID,
                     "no hub has served from %s yet: opengeni-hub serve makes it, --data names "
                     "another",
                     chosen);
    mem_free(chosen);
    return done;
}

static void enlist(void *context, struct machine_record *record)
{
    roster_put(context, record);
}

bool verb_open_store(const struct data_dir *dir, struct store *store, struct roster **roster,
                     struct fail *why)
{
    struct observed observed;
    if (!store_open(store, dir, why))
        return false;
    *roster = roster_new(store->workspace, false);
    if (!store_each_machine(store, enlist, *roster, why)) {
        roster_free(*roster);
        store_close(store);
        return false;
    }
    // What was seen is good to have and not needed.
    struct fail ignored;
    if (observed_open(&observed, dir, &ignored)) {
        bool restored = observed_restore(&observed, *roster, &ignored);
        (void)restored;
        observed_close(&observed);
    }
    return true;
}
