// mkdir, mv and rm: one request a path.
#include <string.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"

static bool send(struct ctl *ctl, const Og__ControlRequest *request)
{
    struct reply reply;
    if (!ctl_call(ctl, request, &reply))
        return false;
    reply_fini(&reply);
    return true;
}

enum { MKDIR_PARENTS = 'p', MKDIR_MODE = 'm' };

static int run_mkdir(struct ctl *ctl, struct arguments *args)
{
    Og__FsMkdirRequest body = OG__FS_MKDIR_REQUEST__INIT;
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return ctl->status;
        if (key == MKDIR_PARENTS)
            body.parents = true;
        else if (!arguments_mode(value, &body.mode))
            return ctl_misuse(ctl, "--mode needs permission bits like 755");
    }
    if (!ctl_operands(ctl, args, 2, args->argc) || !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_MKDIR;
    request.fs_mkdir = &body;
    for (int i = 1; i < args->operand_count; i++) {
        body.path = args->operands[i];
        if (!send(ctl, &request) && ctl->status != STATUS_FAILED)
            break;
    }
    return ctl->status;
}

static const struct argument mkdir_arguments[] = {
    {MKDIR_PARENTS, "parents", NULL, "parents too; no error when it is there"},
    {MKDIR_MODE, "mode", "BITS", "permissions, in octal"},
    {0},
};

const struct command command_mkdir = {.name = "mkdir",
                                      .operands = "MACHINE DIR...",
                                      .summary = "Make directories",
                                      .arguments = mkdir_arguments,
                                      .run = run_mkdir};

enum { MV_FORCE = 'f' };

static int run_mv(struct ctl *ctl, struct arguments *args)
{
    Og__FsMoveRequest body = OG__FS_MOVE_REQUEST__INIT;
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return ctl->status;
        body.overwrite = true;
    }
    if (!ctl_operands(ctl, args, 3, 3) || !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    body.from = args->operands[1];
    body.to = args->operands[2];
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_MOVE;
    request.fs_move = &body;
    (void)!send(ctl, &request);
    return ctl->status;
}

static const struct argument mv_arguments[] = {
    {MV_FORCE, "force", NULL, "replace TO when it exists"},
    {0},
};

const struct command command_mv = {
    .name = "mv",
    .operands = "MACHINE FROM TO",
    .summary = "Rename or move a file or directory",
    .notes = "TO is the new name itself, also when a directory of that name exists. Both are\n"
             "on one filesystem. What exists is not replaced, unless -f.\n",
    .arguments = mv_arguments,
    .run = run_mv,
};

enum { RM_RECURSIVE = 'r', RM_FORCE = 'f' };

static int run_rm(struct ctl *ctl, struct arguments *args)
{
    Og__FsRemoveRequest body = OG__FS_REMOVE_REQUEST__INIT;
    bool force = false;
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return ctl->status;
        if (key == RM_FORCE)
            force = true;
        else
            body.recursive = true;
    }
    if (!ctl_operands(ctl, args, 2, args->argc) || !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_REMOVE;
    request.fs_remove = &body;
    struct call_options options = {.timeout_ms = ctl_timeout(ctl)};
    for (int i = 1; i < args->operand_count; i++) {
        body.path = args->operands[i];
        struct reply reply;
        struct fault fault;
        if (ctl_try(ctl, &request, &options, &reply, &fault)) {
            reply_fini(&reply);
            continue;
        }
        if (force && fault_is(&fault, OG__ERROR_CODE__ERROR_CODE_NOT_FOUND))
            continue;
        if (ctl_fault(ctl, &fault) != STATUS_FAILED)
            break;
    }
    return ctl->status;
}

static const struct argument rm_arguments[] = {
    {RM_RECURSIVE, "recursive", NULL, "directories with everything in them"},
    {RM_FORCE, "force", NULL, "no error for what is not there"},
    {0},
};

const struct command command_rm = {.name = "rm",
                                   .operands = "MACHINE PATH...",
                                   .summary = "Remove files, links and empty directories",
                                   .arguments = rm_arguments,
                                   .run = run_rm};
