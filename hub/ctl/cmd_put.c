#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/paths.h"
#include "ctl/store.h"

enum { OPTION_MODE = 'm', OPTION_PARENTS = 'p', OPTION_IN_PLACE = 'i' };

static int put(struct ctl *ctl, int fd, const char *local, struct store *store)
{
    struct fault fault;
    if (!store_file(ctl, fd, local, store, &fault))
        return ctl_fault(ctl, &fault);
    if (ctl->json) {
        json_t *out =
            json_pack("{s:s, s:I}", "remote", store->path, "bytes", (json_int_t)store->bytes);
        output_json_path(out, "local", local);
        ctl_json(out);
    }
    return STATUS_OK;
}

static int open_local(const char *local, struct store *store, struct fault *fault)
{
    if (strcmp(local, "-") == 0)
        return STDIN_FILENO;
    int fd = open(local, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        fault_local(fault, errno, "open", local);
        io_close(&fd);
        return -1;
    }
    if (S_ISDIR(st.st_mode)) {
        fault_local(fault, EISDIR, "open", local);
        io_close(&fd);
        return -1;
    }
    store->local_mode = st.st_mode & 0777;
    store->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return fd;
}

static int run(struct ctl *ctl, struct arguments *args)
{
    struct store store = {0};
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;)
        switch (key) {
        case ARGUMENTS_BAD:
            return ctl->status;
        case OPTION_MODE:
            if (!arguments_mode(value, &store.mode) || store.mode == 0 || store.mode > 0777)
                return ctl_misuse(ctl, "--mode needs permission bits like 644");
            break;
        case OPTION_PARENTS:
            store.parents = true;
            break;
        default:
            store.in_place = true;
        }
    if (!ctl_operands(ctl, args, 3, 3))
        return ctl->status;
    const char *local = args->operands[1];
    struct fault fault;
    int fd = open_local(local, &store, &fault);
    if (fd < 0)
        return ctl_fault(ctl, &fault);
    store.path = args->operands[2];
    interrupt_watch();
    int status = ctl_machine(ctl, args->operands[0]) ? put(ctl, fd, local, &store) : ctl->status;
    mem_free(store.place);
    if (fd != STDIN_FILENO)
        io_close(&fd);
    return status;
}

static const struct argument arguments[] = {
    {OPTION_MODE, "mode", "BITS", "permissions, in octal"},
    {OPTION_PARENTS, "parents", NULL, "make missing directories"},
    {OPTION_IN_PLACE, "in-place", NULL, "write into the existing file, through links"},
    {0},
};

const struct command command_put = {
    .name = "put",
    .operands = "MACHINE LOCAL REMOTE",
    .summary = "Copy a file of any size to a machine",
    .notes = "LOCAL may be - for standard input; REMOTE may be a directory. The file is\n"
             "written under another name beside REMOTE and takes its place when it is\n"
             "complete. It has the permissions of the file that it replaces, else those of\n"
             "LOCAL.\n",
    .arguments = arguments,
    .run = run,
};
