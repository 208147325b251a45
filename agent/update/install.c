#include "update/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/random.h"
#include "files/remove.h"
#include "service/tool.h"
#include "update/health.h"
#include "update/trial.h"

struct work {
    const struct release_source *source;
    const struct manifest *manifest;
    const struct artifact *artifact;
    struct layout *layout;
    void (*told)(enum update_step step);
    char *archive, *fresh, *place; // paths: what is fetched, where it is unpacked, where it stays
    int fd;                        // of archive
};

static void tell(const struct work *work, enum update_step step)
{
    if (work->told)
        work->told(step);
}

static bool enough_room(const struct work *work, struct fail *why)
{
    struct statvfs disk;
    uint64_t size = work->artifact->size > 0 ? (uint64_t)work->artifact->size
                                             : (uint64_t)UPDATE_ARTIFACT_BYTES_MAX;
    if (fstatvfs(work->layout->root.fd, &disk) != 0)
        return fail_errno(why, errno, "look at", work->layout->root.path);
    return disk.f_bavail * disk.f_frsize / UPDATE_ROOM_FACTOR >= size ||
           fail_errno(why, ENOSPC, "update in", work->layout->root.path);
}

// tar checks that nothing leaves the directory; and what it is given has been signed.
static bool unpack(const struct work *work, struct fail *why)
{
    struct buffer out;
    int status = 0;
    if (mkdir(work->fresh, 0755) != 0)
        return fail_errno(why, errno, "make", work->fresh);
    const char *const argv[] = {"tar",
                                "--extract",
                                "--gzip",
                                "--no-same-owner",
                                "--strip-components=2", // <name>/files/
                                "--directory",
                                work->fresh,
                                "--file",
                                work->archive,
                                NULL};
    buffer_init(&out, SERVICE_OUTPUT_BYTES_MAX);
    bool done =
        tool_run(argv, &out, &status, why) &&
        (status == 0 || fail_because(why, FAIL_SYSTEM,
                                     "the release cannot be unpacked: tar ended with %d", status));
    buffer_fini(&out);
    // All of it is to be on disk before anything leads to it.
    return done && (syncfs(work->layout->root.fd) == 0 ||
                    fail_errno(why, errno, "sync", work->layout->root.path));
}

static enum update_end fetch(struct work *work, struct fail *why)
{
    bool fetched = false;
    work->fd = open(work->archive, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (work->fd < 0) {
        fail_errno(why, errno, "make", work->archive);
        return UPDATE_NOT_APPLIED;
    }
    if (!enough_room(work, why))
        return UPDATE_NOT_APPLIED;
    tell(work, UPDATE_DOWNLOADING);
    if (release_fetch(work->source, work->artifact, work->fd, &fetched, why)) {
        tell(work, UPDATE_VERIFYING);
        return UPDATE_DONE;
    }
    if (fetched)
        tell(work, UPDATE_VERIFYING);
    return fetched ? UPDATE_NOT_VERIFIED : UPDATE_NOT_FETCHED;
}

static void remove_tree(const char *path)
{
    (void)!file_remove(path, &(struct remove_options){.recursive = true}, NULL);
}

// The new version has shown that it works where it was unpacked; and has to once more at its place.
static enum update_end change(const struct work *work, struct fail *why)
{
    const char *version = work->manifest->version_text;
    struct fail back;
    remove_tree(work->place); // of an update that was broken off; it is not the current one
    if (rename(work->fresh, work->place) != 0) {
        fail_errno(why, errno, "rename", work->fresh);
        return UPDATE_NOT_APPLIED;
    }
    trial_begin(work->layout, version);
    if (!layout_switch(work->layout, version, why)) {
        trial_end(work->layout, version);
        return UPDATE_NOT_APPLIED;
    }
    char *current = secure_dir_file(&work->layout->root, "current");
    bool good = health_check(current, version, why);
    mem_free(current);
    if (good)
        return UPDATE_DONE;
    trial_end(work->layout, version);
    if (layout_switch_back(work->layout, &back))
        return UPDATE_UNHEALTHY;
    *why = back;
    return UPDATE_STUCK;
}

static enum update_end install(struct work *work, struct fail *why)
{
    enum update_end end = fetch(work, why);
    if (end != UPDATE_DONE)
        return end;
    tell(work, UPDATE_APPLYING);
    if (!unpack(work, why))
        return UPDATE_NOT_APPLIED;
    if (!health_check(work->fresh, work->manifest->version_text, why))
        return UPDATE_UNHEALTHY;
    return change(work, why);
}

enum update_end update_install(const struct release_source *source, const struct manifest *manifest,
                               const struct artifact *artifact, struct layout *layout,
                               void (*told)(enum update_step step), struct fail *why)
{
    char id[UUID_BYTES];
    random_uuid(id);
    const char *root = layout->root.path;
    if (strcmp(manifest->version_text, layout->current) == 0) {
        fail_because(why, FAIL_EXISTS, "version %s is installed already", layout->current);
        return UPDATE_NOT_APPLIED;
    }
    struct work work = {.source = source,
                        .manifest = manifest,
                        .artifact = artifact,
                        .layout = layout,
                        .told = told,
                        .archive = mem_printf("%s/.update-%s.tar.gz", root, id),
                        .fresh = mem_printf("%s/.update-%s", root, id),
                        .place = mem_printf("%s/%s", root, manifest->version_text),
                        .fd = -1};
    enum update_end end = install(&work, why);
    io_close(&work.fd);
    unlink(work.archive);
    remove_tree(work.fresh);
    layout_sweep(layout);
    mem_free(work.archive);
    mem_free(work.fresh);
    mem_free(work.place);
    return end;
}
