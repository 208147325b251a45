#include <stdio.h>

#include "base/alloc.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/entry_json.h"
#include "ctl/units.h"

static void print(const char *path, const Og__FsEntry *entry)
{
    char *name = ctl_text(path);
    printf("    Path: %s\n    Kind: %s\n    Size: %llu\n    Mode: %04o (%s)\nModified: %s\n", name,
           entry_kind(entry), (unsigned long long)entry->size, entry->mode & 07777,
           unit_mode_text(entry->mode, (int)entry->kind), unit_time_text(entry->modified_ms));
    mem_free(name);
}

static int run(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    if (ctl_option(ctl, args, &value) != ARGUMENTS_END || !ctl_operands(ctl, args, 2, args->argc) ||
        !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    json_t *json = ctl->json ? json_object() : NULL;
    Og__FsStatRequest body = OG__FS_STAT_REQUEST__INIT;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_STAT;
    request.fs_stat = &body;
    for (int i = 1; i < args->operand_count; i++) {
        body.path = args->operands[i];
        struct reply reply;
        if (!ctl_call(ctl, &request, &reply)) {
            if (ctl->status != STATUS_FAILED)
                break;
            continue;
        }
        const Og__FsEntry *entry =
            reply.message->fs_stat->exists ? reply.message->fs_stat->entry : NULL;
        if (json) {
            json_object_set_new(json, body.path, entry ? entry_json(entry) : json_null());
            ctl->status = entry ? ctl->status : STATUS_FAILED;
        } else if (entry) {
            print(body.path, entry);
        } else {
            char *name = ctl_text(body.path);
            fprintf(stderr, "opengeni-ctl: %s: %s does not exist\n", ctl->machine.label, name);
            mem_free(name);
            ctl->status = STATUS_FAILED;
        }
        reply_fini(&reply);
    }
    if (json)
        ctl_json(json);
    return ctl->status;
}

const struct command command_stat = {
    .name = "stat",
    .operands = "MACHINE PATH...",
    .summary = "Show what is known of a file; links are not followed",
    .run = run,
};
