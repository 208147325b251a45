#include "ctl/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/printable.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/paths.h"
#include "ctl/progress.h"

struct remote_kind {
    bool exists, directory, link, special; // special: a device, a FIFO, a socket
    uint32_t mode;
    uint64_t size;
};

static bool call(struct ctl *ctl, const Og__ControlRequest *request, struct reply *reply,
                 struct fault *fault)
{
    struct call_options options = {.timeout_ms = ctl_timeout(ctl)};
    return ctl_try(ctl, request, &options, reply, fault);
}

static bool look(struct ctl *ctl, const char *path, struct remote_kind *out, struct fault *fault)
{
    *out = (struct remote_kind){0};
    Og__FsStatRequest body = OG__FS_STAT_REQUEST__INIT;
    body.path = (char *)path;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_STAT;
    request.fs_stat = &body;
    struct reply reply;
    if (!call(ctl, &request, &reply, fault))
        return false;
    const Og__FsEntry *entry = reply.message->fs_stat->entry;
    if (reply.message->fs_stat->exists && entry) {
        out->exists = true;
        out->directory = entry->kind == OG__FS_ENTRY_KIND__FS_ENTRY_KIND_DIRECTORY;
        out->link = entry->kind == OG__FS_ENTRY_KIND__FS_ENTRY_KIND_SYMLINK;
        out->special = entry->kind == OG__FS_ENTRY_KIND__FS_ENTRY_KIND_FILE &&
                       (entry->mode & S_IFMT) && !S_ISREG(entry->mode);
        out->mode = entry->mode;
        out->size = entry->size;
    }
    reply_fini(&reply);
    return true;
}

// A link to a directory stands for the directory: "link/." says what is behind it.
static bool is_directory(struct ctl *ctl, const char *path, const struct remote_kind *kind)
{
    if (!kind->link)
        return kind->directory;
    char *behind = path_in(path, ".");
    struct remote_kind there;
    struct fault unknown;
    bool yes = look(ctl, behind, &there, &unknown) && there.directory;
    mem_free(behind);
    return yes;
}

// Finds out what the file is to be called and what is there now.
static bool find_place(struct ctl *ctl, const char *local, struct store *store,
                       struct remote_kind *there, struct fault *fault)
{
    if (!look(ctl, store->path, there, fault))
        return false;
    if (is_directory(ctl, store->path, there)) {
        if (strcmp(local, "-") == 0)
            return fault_set(fault, FAULT_LOCAL, "%s is a directory: name the file in it",
                             store->path);
        store->place = path_in(store->path, path_name(local));
        if (!look(ctl, store->place, there, fault))
            return false;
    } else {
        store->place = mem_string(store->path);
    }
    store->path = store->place;
    if (there->directory)
        return fault_set(fault, FAULT_LOCAL, "%s is a directory", store->place);
    if (there->link && !store->in_place)
        return fault_set(fault, FAULT_LOCAL,
                         "%s is a symbolic link: --in-place writes to what it points to",
                         store->place);
    // A file in the place of /dev/null would harm the whole machine.
    if (there->special && !store->in_place)
        return fault_set(fault, FAULT_LOCAL, "%s is no regular file: --in-place writes to it",
                         store->place);
    return true;
}

static bool write_piece(struct ctl *ctl, const struct store *store, const char *path, uint32_t mode,
                        const void *data, size_t size, bool append, struct fault *fault)
{
    Og__FsWriteRequest body = OG__FS_WRITE_REQUEST__INIT;
    body.path = (char *)path;
    body.content = (ProtobufCBinaryData){.data = (uint8_t *)data, .len = size};
    body.create_parents = store->parents;
    body.append = append;
    body.mode = mode;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_WRITE;
    request.fs_write = &body;
    struct reply reply;
    if (!call(ctl, &request, &reply, fault))
        return false;
    bool whole = reply.message->fs_write->bytes_written == size;
    reply_fini(&reply);
    return whole || fault_set(fault, FAULT_LOCAL, "%s was not written as a whole", path);
}

// The same where a reply that is lost does not matter: what is there tells whether the piece is.
static bool write_surely(struct ctl *ctl, const struct store *store, const char *path,
                         uint32_t mode, const void *data, size_t size, struct fault *fault)
{
    bool append = store->bytes > 0;
    for (int attempt = 0; attempt < CTL_TRIES; attempt++) {
        if (write_piece(ctl, store, path, mode, data, size, append, fault))
            return true;
        struct fault unseen;
        struct remote_kind there;
        if (fault->kind != FAULT_TIMEOUT || store->in_place || !look(ctl, path, &there, &unseen))
            return false;
        if (there.exists && there.size == store->bytes + size)
            return true;
        if (append ? there.size != store->bytes : there.exists && there.size != 0)
            return false;
    }
    return false;
}

// As much as there is, up to size: a pipe gives little at a time.
static bool read_piece(int fd, char *data, size_t size, size_t *got, const char *local,
                       struct fault *fault)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = read(fd, data + *got, size - *got);
        if (interrupt_pending())
            return fault_set(fault, FAULT_INTERRUPTED, "interrupted");
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_local(fault, errno, "read", local);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return true;
}

static bool write_all(struct ctl *ctl, int fd, const char *local, struct store *store,
                      const char *path, uint32_t mode, struct fault *fault)
{
    size_t max = rpc_max_payload(ctl->rpc), other = CTL_REPLY_SLACK + strlen(path);
    if (max <= 2 * other)
        return fault_set(fault, FAULT_SERVER, "takes messages of %zu bytes only", max);
    size_t room = max - other, got = 0;
    char *data = mem_array(room, 1);
    struct progress progress;
    progress_init(&progress, local, ctl->json);
    bool ok;
    do {
        ok = read_piece(fd, data, room, &got, local, fault);
        // The first one makes the file, also when there is nothing to go into it.
        if (ok && (got > 0 || store->bytes == 0))
            ok = write_surely(ctl, store, path, mode, data, got, fault);
        if (ok)
            store->bytes += got;
        progress_at(&progress, store->bytes, store->size);
    } while (ok && got == room);
    progress_end(&progress);
    mem_free(data);
    return ok;
}

// The machine's umask applies to new files; where other bits are wanted, chmod(1) has to set them.
static bool set_mode(struct ctl *ctl, const char *path, uint32_t mode, struct fault *fault)
{
    char bits[8];
    snprintf(bits, sizeof bits, "%o", mode & 0777);
    char *command[] = {"chmod", bits, "--", (char *)path};
    Og__ExecRequest body = OG__EXEC_REQUEST__INIT;
    body.command = command;
    body.n_command = sizeof command / sizeof *command;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_EXEC;
    request.exec = &body;
    struct reply reply;
    if (!call(ctl, &request, &reply, fault))
        return false;
    bool ok = reply.message->exec->exit_code == 0;
    reply_fini(&reply);
    return ok || fault_set(fault, FAULT_LOCAL, "chmod failed");
}

static bool move(struct ctl *ctl, const char *from, const char *to, struct fault *fault)
{
    Og__FsMoveRequest body = OG__FS_MOVE_REQUEST__INIT;
    body.from = (char *)from;
    body.to = (char *)to;
    body.overwrite = true;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_MOVE;
    request.fs_move = &body;
    struct reply reply;
    if (!call(ctl, &request, &reply, fault))
        return false;
    reply_fini(&reply);
    return true;
}

static bool check(struct ctl *ctl, const struct store *store, const char *path, uint32_t mode,
                  struct fault *fault)
{
    struct remote_kind written;
    if (!look(ctl, path, &written, fault))
        return false;
    if (!written.exists || written.size != store->bytes)
        return fault_set(fault, FAULT_LOCAL, "%s has been changed by somebody else meanwhile",
                         path);
    struct fault chmod_fault;
    if (mode && (written.mode & 0777) != mode && !set_mode(ctl, path, mode, &chmod_fault)) {
        char *name = ctl_text(store->path);
        fprintf(stderr, "opengeni-ctl: %s: %s has permissions %03o, not %03o: %s\n",
                ctl->machine.label, name, written.mode & 0777, mode, chmod_fault.text);
        mem_free(name);
    }
    return true;
}

static void take_away(struct ctl *ctl, const char *path)
{
    Og__FsRemoveRequest body = OG__FS_REMOVE_REQUEST__INIT;
    body.path = (char *)path;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_REMOVE;
    request.fs_remove = &body;
    struct call_options options = {.timeout_ms = CTL_GRACE_MS};
    struct reply reply;
    struct fault ignored;
    if (machine_call(&ctl->machine, ctl->rpc, &request, &options, &reply, &ignored))
        reply_fini(&reply);
}

static bool store_beside(struct ctl *ctl, int fd, const char *local, struct store *store,
                         const struct remote_kind *there, struct fault *fault)
{
    uint32_t mode = store->mode     ? store->mode
                    : there->exists ? there->mode & 0777
                                    : store->local_mode;
    bool exact = store->mode || there->exists; // else the machine's umask is right as it is
    char *temporary = path_temporary(store->place);
    // A removal must not overtake a write: the last one is waited for, also when interrupted.
    interrupt_put_off(true);
    bool ok = write_all(ctl, fd, local, store, temporary, mode, fault) &&
              check(ctl, store, temporary, exact ? mode : 0, fault) &&
              move(ctl, temporary, store->place, fault);
    if (!ok)
        take_away(ctl, temporary);
    interrupt_put_off(false);
    mem_free(temporary);
    return ok;
}

bool store_file(struct ctl *ctl, int fd, const char *local, struct store *store,
                struct fault *fault)
{
    struct remote_kind there;
    if (!find_place(ctl, local, store, &there, fault))
        return false;
    if (!store->in_place)
        return store_beside(ctl, fd, local, store, &there, fault);
    uint32_t mode = store->mode ? store->mode : store->local_mode;
    return write_all(ctl, fd, local, store, store->place, mode, fault);
}
