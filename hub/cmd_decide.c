// opengeni-hub revoke, rename: through the running hub, or in its directory when none runs.
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "hub/data_dir.h"
#include "hub/decide.h"
#include "hub/digest.h"
#include "hub/local_call.h"
#include "hub/roster.h"
#include "hub/store.h"
#include "hub/verbs.h"

static const char revoke_usage[] =
    "Usage: opengeni-hub revoke [--data DIR] MACHINE\n"
    "Ends the machine's access at once. MACHINE is an id, its beginning, or a name.\n"
    "A new token brings the machine back: opengeni-hub token\n";
static const char rename_usage[] = "Usage: opengeni-hub rename [--data DIR] MACHINE NAME\n";

struct decision {
    const char *verb, *machine;
    const char *name; // NULL: revoke
};

static char *percent_encode(const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char *encoded = mem_array(3 * strlen(text) + 1, 1), *out = encoded;
    for (; *text; text++) {
        if (strchr(plain, *text)) {
            *out++ = *text;
            continue;
        }
        *out++ = '%';
        digest_hex(text, 1, out);
        out += 2;
    }
    return encoded;
}

static bool decide_here(const struct data_dir *dir, const struct decision *decision,
                        struct fail *why)
{
    struct store store;
    struct roster *roster;
    char id[UUID_BYTES];
    if (!verb_open_store(dir, &store, &roster, why))
        return false;
    bool done = roster_resolve(roster, decision->machine, id, why) &&
                (decision->name ? decide_rename(&store, NULL, id, decision->name, why)
                                : decide_revoke(&store, NULL, id, why));
    roster_free(roster);
    store_close(&store);
    return done;
}

static int decide(const char *path, const struct decision *decision)
{
    struct fail why;
    struct data_dir dir;
    if (!verb_open_dir(&dir, path, &why))
        return verb_failed(&why);
    json_t *answer = NULL,
           *body = decision->name ? json_pack("{s:s}", "name", decision->name) : json_object();
    char *machine = percent_encode(decision->machine);
    char *route = mem_printf("/api/machines/%s/%s", machine, decision->verb);
    enum local_result result = LOCAL_FAILED;
    if (body)
        result = local_call(&dir, route, body, &answer, &why);
    else
        fail_because(&why, FAIL_INVALID, "the name is not UTF-8");
    // Under the lock, so that no hub which has read the machines already goes on without knowing.
    if (result == LOCAL_NO_HUB && data_dir_lock(&dir, &why) && decide_here(&dir, decision, &why))
        result = LOCAL_DONE;
    mem_free(route);
    mem_free(machine);
    json_decref(body);
    json_decref(answer);
    data_dir_close(&dir);
    return result == LOCAL_DONE ? 0 : verb_failed(&why);
}

static int run(int argc, char **argv, const char *usage, bool named)
{
    const char *path;
    int code = verb_words(argc, argv, usage, named ? 2 : 1, &path);
    if (code >= 0)
        return code;
    if (!*argv[optind])
        return verb_misused(usage);
    const struct decision decision = {named ? "rename" : "revoke", argv[optind],
                                      named ? argv[optind + 1] : NULL};
    return decide(path, &decision);
}

int cmd_revoke(int argc, char **argv)
{
    return run(argc, argv, revoke_usage, false);
}

int cmd_rename(int argc, char **argv)
{
    return run(argc, argv, rename_usage, true);
}
