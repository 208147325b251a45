#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/output.h"

static Og__GitOp op_for(const char *word)
{
    static const struct {
        const char *word;
        Og__GitOp op;
    } ops[] = {
        {"status", OG__GIT_OP__GIT_OP_STATUS},     {"diff", OG__GIT_OP__GIT_OP_DIFF},
        {"log", OG__GIT_OP__GIT_OP_LOG},           {"add", OG__GIT_OP__GIT_OP_ADD},
        {"commit", OG__GIT_OP__GIT_OP_COMMIT},     {"branch", OG__GIT_OP__GIT_OP_BRANCH},
        {"checkout", OG__GIT_OP__GIT_OP_CHECKOUT}, {"pull", OG__GIT_OP__GIT_OP_PULL},
        {"push", OG__GIT_OP__GIT_OP_PUSH},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].word, word) == 0)
            return ops[i].op;
    return OG__GIT_OP__GIT_OP_RAW;
}

// As "git status --short --branch" has it.
static void print_status(const Og__GitStatus *status)
{
    char *branch = ctl_text(status->branch), *upstream = ctl_text(status->upstream);
    printf("## %s%s%s", branch, *upstream ? "..." : "", upstream);
    if (status->ahead && status->behind)
        printf(" [ahead %d, behind %d]", status->ahead, status->behind);
    else if (status->ahead || status->behind)
        printf(" [%s %d]", status->ahead ? "ahead" : "behind",
               status->ahead ? status->ahead : status->behind);
    putchar('\n');
    for (size_t i = 0; i < status->n_files; i++) {
        char *path = ctl_text(status->files[i]->path), *code = ctl_text(status->files[i]->code);
        for (char *c = code; *c; c++)
            if (*c == '.')
                *c = ' ';
        printf("%2.2s %s\n", code, path);
        mem_free(path);
        mem_free(code);
    }
    mem_free(branch);
    mem_free(upstream);
}

static json_t *status_json(const Og__GitStatus *status)
{
    json_t *files = json_array();
    for (size_t i = 0; i < status->n_files; i++) {
        const Og__GitFileStatus *file = status->files[i];
        json_array_append_new(files, json_pack("{s:s, s:s, s:b}", "path", file->path, "code",
                                               file->code, "staged", (int)file->staged));
    }
    return json_pack("{s:s, s:s, s:i, s:i, s:b, s:o}", "branch", status->branch, "upstream",
                     status->upstream, "ahead", (int)status->ahead, "behind", (int)status->behind,
                     "clean", (int)status->clean, "files", files);
}

static int finish(struct ctl *ctl, const Og__GitResponse *answer, bool parsed)
{
    static const ProtobufCBinaryData nothing;
    bool tell = answer->status && parsed;
    if (ctl->json) {
        json_t *out = json_pack("{s:i}", "exit_code", (int)answer->exit_code);
        output_json(out, "stdout", &answer->stdout);
        output_json(out, "stderr", &answer->stderr);
        if (answer->status)
            json_object_set_new(out, "status", status_json(answer->status));
        ctl_json(out);
    } else if (!output_print(ctl, tell ? &nothing : &answer->stdout, &answer->stderr)) {
        return ctl->status;
    } else if (tell) {
        print_status(answer->status);
    }
    return answer->exit_code >= 0 ? answer->exit_code & 0xff : STATUS_SIGNAL;
}

static int run(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    if (ctl_option(ctl, args, &value) != ARGUMENTS_END || !ctl_operands(ctl, args, 3, args->argc) ||
        !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    char **words = args->operands + 2;
    size_t count = (size_t)args->operand_count - 2;
    Og__GitRequest body = OG__GIT_REQUEST__INIT;
    body.cwd = args->operands[1];
    body.op = op_for(words[0]);
    bool raw = body.op == OG__GIT_OP__GIT_OP_RAW;
    body.args = raw ? words : words + 1;
    body.n_args = raw ? count : count - 1;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_GIT;
    request.git = &body;
    struct reply reply;
    if (!ctl_call(ctl, &request, &reply))
        return ctl->status;
    int status = finish(ctl, reply.message->git, body.n_args == 0);
    reply_fini(&reply);
    return status;
}

const struct command command_git = {
    .name = "git",
    .operands = "MACHINE DIR COMMAND [ARG]...",
    .summary = "Run git in a directory",
    .notes = "status without arguments prints the short form; --json has it taken apart.\n",
    .runs = true,
    .run = run,
};
