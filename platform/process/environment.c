#include "process/environment.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Prefixes end with '_', names with '='.
static const char *const kept_back[] = {
    "OPENGENI_ENROLL_TOKEN=",
    "OPENGENI_ACCESS_KEY=",
    "OPENGENI_RUNNER_TEST_OVERRIDES=",
    "OPENGENI_OPERATION=", // of an agent this one was started by
    "NOTIFY_SOCKET=",      // sd_notify(3)
    "WATCHDOG_",           // sd_watchdog_enabled(3)
    "LISTEN_",             // sd_listen_fds(3)
    "JOURNAL_STREAM=",     // systemd.exec(5), as the next three
    "INVOCATION_ID=",
    "MANAGERPID=",
    "SYSTEMD_EXEC_PID=",
};

static bool is_kept_back(const char *variable)
{
    for (size_t i = 0; i < sizeof kept_back / sizeof *kept_back; i++)
        if (strncmp(variable, kept_back[i], strlen(kept_back[i])) == 0)
            return true;
    return false;
}

static size_t count_variables(char *const *environment)
{
    size_t n = 0;
    while (environment[n])
        n++;
    return n;
}

const char *environment_get(char *const *environment, const char *key)
{
    size_t size = strlen(key);
    for (; *environment; environment++)
        if (strncmp(*environment, key, size) == 0 && (*environment)[size] == '=')
            return *environment + size + 1;
    return NULL;
}

static void add_missing(char **environment, size_t *count, const char *key, const char *value)
{
    if (!environment_get(environment, key) && value && *value)
        environment[(*count)++] = mem_printf("%s=%s", key, value);
}

char **environment_base(char *const *from)
{
    enum { ADDED = 5 };
    char **environment = mem_array(count_variables(from) + ADDED + 1, sizeof *environment);
    size_t count = 0;
    for (; *from; from++)
        if (!is_kept_back(*from))
            environment[count++] = mem_string(*from);

    add_missing(environment, &count, "PATH", DEFAULT_PATH);
    if (environment_get(environment, "HOME") && environment_get(environment, "USER") &&
        environment_get(environment, "LOGNAME") && environment_get(environment, "SHELL"))
        return environment; // the user database may be a slow server
    const struct passwd *user = getpwuid(geteuid());
    if (user) {
        add_missing(environment, &count, "HOME", user->pw_dir);
        add_missing(environment, &count, "USER", user->pw_name);
        add_missing(environment, &count, "LOGNAME", user->pw_name);
        add_missing(environment, &count, "SHELL", user->pw_shell);
    }
    return environment;
}

void environment_free(char **environment)
{
    for (char **variable = environment; variable && *variable; variable++)
        mem_free(*variable);
    mem_free(environment);
}

// --- overlay

// Sorted by key, equal keys in the order of the request: whatever a request sends, the work stays
// within n log n.
struct place {
    const struct environment_entry *entry;
};

static int by_key(const void *a, const void *b)
{
    const struct environment_entry *x = ((const struct place *)a)->entry;
    const struct environment_entry *y = ((const struct place *)b)->entry;
    int order = strcmp(x->key, y->key);
    return order ? order : (x > y) - (x < y);
}

static int key_to_entry(const void *variable, const void *element)
{
    const char *name = variable;
    const struct environment_entry *entry = ((const struct place *)element)->entry;
    size_t size = strcspn(name, "=");
    int order = strncmp(name, entry->key, size);
    return order ? order : entry->key[size] ? -1 : 0;
}

bool environment_overlay(struct arena *arena, char *const *base,
                         const struct environment_entry *entries, size_t count, char ***out,
                         struct fail *why)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].key[0] == '\0' || strchr(entries[i].key, '='))
            return fail_because(why, FAIL_INVALID,
                                "the name of an environment variable is empty or contains '='");

    struct place *sorted = arena_array(arena, count, sizeof *sorted);
    char **envp = arena_array(arena, count_variables(base) + count + 2, sizeof *envp);
    if (!sorted || !envp)
        return fail_errno(why, ENOMEM, "environment", NULL);
    for (size_t i = 0; i < count; i++)
        sorted[i].entry = &entries[i];
    qsort(sorted, count, sizeof *sorted, by_key);

    size_t n = 1; // the mark's place
    for (; *base; base++)
        if (count == 0 || !bsearch(*base, sorted, count, sizeof *sorted, key_to_entry))
            envp[n++] = *base;
    for (size_t i = 0; i < count; i++) {
        const struct environment_entry *entry = sorted[i].entry;
        if (i + 1 < count && strcmp(entry->key, sorted[i + 1].entry->key) == 0)
            continue;
        envp[n] = arena_printf(arena, "%s=%s", entry->key, entry->value);
        if (!envp[n++])
            return fail_errno(why, ENOMEM, "environment", NULL);
    }
    *out = envp;
    return true;
}
