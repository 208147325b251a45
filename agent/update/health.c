#include "update/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "service/tool.h"

// What a program needs to find its configuration; no token, no loader's variable.
static const char *const kept[] = {
    "PATH", "HOME", "OPENGENI_CONFIG_DIR", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"};
enum { KEPT = sizeof kept / sizeof *kept };

// Runs path with one argument. out may be NULL.
static bool run(const char *path, const char *argument, struct buffer *out, int *status,
                struct fail *why)
{
    char *environment[KEPT + 1];
    size_t count = 0;
    for (size_t i = 0; i < KEPT; i++)
        if (getenv(kept[i]))
            environment[count++] = mem_printf("%s=%s", kept[i], getenv(kept[i]));
    environment[count] = NULL;
    const char *argv[] = {path, argument, NULL};
    const struct tool tool = {
        .path = path, .argv = argv, .environment = environment, .timeout_ms = UPDATE_TRIAL_MS};
    bool done = tool_run_at(&tool, out, status, why);
    while (count > 0)
        mem_free(environment[--count]);
    return done;
}

static bool tells_version(const char *dir, const char *name, const char *version, struct fail *why)
{
    struct buffer out;
    int status = 0;
    char *path = mem_printf("%s/bin/%s", dir, name);
    char *expected = mem_printf("%s %s\n", name, version);
    buffer_init(&out, SERVICE_OUTPUT_BYTES_MAX);
    bool good = run(path, "--version", &out, &status, why);
    if (good && status != 0)
        good = fail_because(why, FAIL_SYSTEM, "the new %s does not start: exit status %d", name,
                            status);
    else if (good && (out.size != strlen(expected) || memcmp(out.data, expected, out.size) != 0))
        good = fail_because(why, FAIL_SYSTEM, "the new %s is not of version %s", name, version);
    buffer_fini(&out);
    mem_free(path);
    mem_free(expected);
    return good;
}

// Faults of the machine or its configuration are no reason to stay with an old version.
static bool self_check(const char *dir, struct fail *why)
{
    struct buffer out;
    int status = 0, before = 0;
    char *path = mem_printf("%s/bin/opengeni-agent", dir);
    buffer_init(&out, SERVICE_OUTPUT_BYTES_MAX);
    bool good = run(path, "self-check", &out, &status, why);
    if (good && status != 0) {
        buffer_consume(&out, out.size);
        good = status == 1 && run("/proc/self/exe", "self-check", &out, &before, NULL) &&
               before == status;
        if (!good)
            fail_because(why, FAIL_SYSTEM, "the new version's self-check fails: exit status %d",
                         status);
    }
    buffer_fini(&out);
    mem_free(path);
    return good;
}

bool health_check(const char *dir, const char *version, struct fail *why)
{
    return tells_version(dir, "opengeni-agent", version, why) &&
           tells_version(dir, "opengeni-agentd", version, why) && self_check(dir, why);
}
