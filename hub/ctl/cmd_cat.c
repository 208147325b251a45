#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/fetch.h"
#include "ctl/progress.h"

static bool take(void *self, const void *data, size_t size, struct fault *fault)
{
    (void)self;
    return io_write_all(STDOUT_FILENO, data, size) || fault_local(fault, errno, "write", "output");
}

static int run(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    if (ctl_option(ctl, args, &value) != ARGUMENTS_END || !ctl_operands(ctl, args, 2, args->argc) ||
        !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    const struct sink sink = {.take = take};
    for (int i = 1; i < args->operand_count; i++) {
        struct progress none;
        progress_init(&none, "", true);
        struct fault fault;
        uint64_t done;
        if (fetch_file(ctl, args->operands[i], &sink, &none, &done, &fault))
            continue;
        // The reader of the pipe has enough: no failure to tell.
        if (fault.kind == FAULT_LOCAL && errno == EPIPE)
            return STATUS_FAILED;
        ctl_fault(ctl, &fault);
        if (fault.kind != FAULT_AGENT)
            break;
    }
    return ctl->status;
}

const struct command command_cat = {
    .name = "cat",
    .operands = "MACHINE FILE...",
    .summary = "Print files, of any size and content",
    .run = run,
};
