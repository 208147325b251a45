#include <stdint.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/fetch.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/target.h"

static bool take(void *target, const void *data, size_t size, struct fault *fault)
{
    return target_write(target, data, size, fault);
}

// Permission bits that the new file gets: those of the remote one, where they can be known.
static uint32_t mode_of(struct ctl *ctl, char *path)
{
    Og__FsStatRequest body = OG__FS_STAT_REQUEST__INIT;
    body.path = path;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_STAT;
    request.fs_stat = &body;
    struct call_options options = {.timeout_ms = ctl_timeout(ctl)};
    struct reply reply;
    struct fault fault;
    uint32_t mode = 0666;
    if (!ctl_try(ctl, &request, &options, &reply, &fault))
        return mode;
    const Og__FsEntry *entry = reply.message->fs_stat->entry;
    if (entry && entry->kind == OG__FS_ENTRY_KIND__FS_ENTRY_KIND_FILE)
        mode = entry->mode & 0777;
    reply_fini(&reply);
    return mode;
}

static bool get(struct ctl *ctl, char *remote, const char *local, struct fault *fault)
{
    struct target target;
    struct progress progress;
    progress_init(&progress, remote, ctl->json);
    uint64_t bytes = 0;
    bool ok = target_open(&target, local, remote, mode_of(ctl, remote), fault);
    if (ok) {
        const struct sink sink = {.take = take, .self = &target};
        ok = fetch_file(ctl, remote, &sink, &progress, &bytes, fault) &&
             target_commit(&target, fault);
    }
    if (ok && ctl->json) {
        json_t *out = json_pack("{s:s, s:I}", "remote", remote, "bytes", (json_int_t)bytes);
        output_json_path(out, "local", target.path);
        ctl_json(out);
    }
    target_fini(&target);
    return ok;
}

static int run(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    if (ctl_option(ctl, args, &value) != ARGUMENTS_END || !ctl_operands(ctl, args, 2, 3) ||
        !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    interrupt_watch();
    struct fault fault;
    const char *local = args->operand_count > 2 ? args->operands[2] : ".";
    if (!get(ctl, args->operands[1], local, &fault))
        ctl_fault(ctl, &fault);
    return ctl->status;
}

const struct command command_get = {
    .name = "get",
    .operands = "MACHINE REMOTE [LOCAL]",
    .summary = "Copy a file of any size from a machine",
    .notes = "LOCAL is a file, a directory, or - for standard output; without it, the file\n"
             "comes into the current directory. It appears under its name when it is\n"
             "complete.\n",
    .run = run,
};
