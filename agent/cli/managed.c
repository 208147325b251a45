#include "cli/managed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/say.h"
#include "files/digest.h"
#include "update/install.h"
#include "update/origin.h"
#include "update/trial.h"
#include "upgrade/receipt.h"

static void tell_step(enum update_step step)
{
    static const char *const words[] = {[UPDATE_DOWNLOADING] = "downloading",
                                        [UPDATE_VERIFYING] = "verifying",
                                        [UPDATE_APPLYING] = "applying"};
    say("%s", words[step]);
    fflush(stdout);
}

// The reason for people goes to the daemon's log, which is our stderr.
static int failed(const char *code, const struct fail *why)
{
    if (why)
        say_failure(why);
    say("failed %s", code);
    return EXIT_FAILED;
}

static const char *code_of(enum update_end end)
{
    static const char *const codes[] = {[UPDATE_NOT_FETCHED] = "update_transport_unavailable",
                                        [UPDATE_NOT_VERIFIED] = "artifact_verification_failed",
                                        [UPDATE_NOT_APPLIED] = "atomic_apply_failed",
                                        [UPDATE_UNHEALTHY] = "startup_preflight_failed_rolled_back",
                                        [UPDATE_STUCK] = "rollback_failed"};
    return codes[end];
}

static bool digest_daemon(const struct layout *layout, struct receipt *receipt, struct fail *why)
{
    char hex[DIGEST_HEX_BYTES];
    char *path = mem_printf("%s/current/bin/opengeni-agentd", layout->root.path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && digest_descriptor(fd, hex);
    if (!good)
        fail_errno(why, errno, "read", path);
    else
        memcpy(receipt->binary_sha256, hex, sizeof receipt->binary_sha256);
    if (fd >= 0)
        close(fd);
    mem_free(path);
    return good;
}

// The receipt proves to the control plane that the new version is the one it asked for: without
// one the update has not happened.
static int finish(struct layout *layout, const char *version, const char *operation_id,
                  const struct secure_dir *config)
{
    struct fail why;
    struct receipt receipt = {"", "", ""};
    snprintf(receipt.operation_id, sizeof receipt.operation_id, "%s", operation_id);
    snprintf(receipt.target_version, sizeof receipt.target_version, "%s", version);
    if (digest_daemon(layout, &receipt, &why) && receipt_write(config, &receipt, &why)) {
        char *trial = trial_file(layout, version);
        say("installed %s %s", receipt.binary_sha256, trial);
        mem_free(trial);
        return EXIT_OK;
    }
    trial_end(layout, version);
    return failed(layout_switch_back(layout, NULL) ? "update_receipt_persist_failed_rolled_back"
                                                   : "rollback_failed",
                  &why);
}

static int install(const struct release_source *source, const struct manifest *manifest,
                   const char *operation_id, const struct secure_dir *config)
{
    struct fail why;
    struct layout layout;
    const struct artifact *artifact = manifest_artifact(manifest, UPDATE_TARGET, &why);
    if (!artifact)
        return failed("target_not_offered", &why);
    if (!layout_find(&layout, &why))
        return failed("installed_binary_unavailable", &why);
    int status;
    if (!layout_writable(&layout) || !layout_lock(&layout, &why)) {
        status = failed("atomic_apply_failed", NULL);
    } else {
        enum update_end end = update_install(source, manifest, artifact, &layout, tell_step, &why);
        status = end == UPDATE_DONE ? finish(&layout, manifest->version_text, operation_id, config)
                                    : failed(code_of(end), &why);
    }
    layout_fini(&layout);
    return status;
}

int managed_update(const struct release_source *source, const char *version,
                   const char *operation_id, const struct secure_dir *config)
{
    struct fail why;
    struct version current;
    struct manifest *manifest = release_look(source, &why);
    if (!manifest)
        return failed(why.kind == FAIL_INVALID   ? "manifest_verification_failed"
                      : why.kind == FAIL_MISSING ? "target_not_offered"
                                                 : "update_transport_unavailable",
                      &why);
    int status;
    if (strcmp(manifest->version_text, version) != 0)
        status = failed("target_manifest_mismatch", NULL);
    else if (!version_parse(OG_VERSION, &current) ||
             version_compare(&manifest->version, &current) <= 0 ||
             version_compare(&manifest->version, &manifest->min_supported) < 0)
        status = failed("target_not_offered", NULL);
    else
        status = install(source, manifest, operation_id, config);
    manifest_free(manifest);
    return status;
}
