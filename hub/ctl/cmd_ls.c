#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "ctl/columns.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/entry_json.h"
#include "ctl/units.h"

enum { LS_ALL = 'a', LS_LONG = 'l', LS_RECURSIVE = 'R', LS_BYTES = 'b' };

struct ls {
    bool all, rows, recursive, bytes;
    json_t *json; // an object of paths, NULL without --json
};

// Kind letters behind names, as ls -F has them.
static const char *mark(const Og__FsEntry *entry)
{
    return entry->kind == OG__FS_ENTRY_KIND__FS_ENTRY_KIND_DIRECTORY ? "/"
           : entry->kind == OG__FS_ENTRY_KIND__FS_ENTRY_KIND_SYMLINK ? "@"
                                                                     : "";
}

static bool hidden(const char *path)
{
    return path[0] == '.' || strstr(path, "/.");
}

static size_t terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return CTL_LINE_COLUMNS;
}

static void print_rows(const struct ls *ls, Og__FsEntry *const *entries, size_t count)
{
    static const char *const heads[] = {"", "-", "", "", NULL};
    struct columns *table = columns_new(heads);
    for (size_t i = 0; i < count; i++) {
        const Og__FsEntry *entry = entries[i];
        columns_add(table, unit_mode_text(entry->mode, (int)entry->kind));
        if (ls->bytes)
            columns_addf(table, "%llu", (unsigned long long)entry->size);
        else
            columns_add(table, unit_size_text(entry->size));
        columns_add(table, unit_time_text(entry->modified_ms));
        char *name = mem_printf("%s%s", ls->recursive ? entry->path : entry->name, mark(entry));
        columns_add(table, name);
        mem_free(name);
    }
    columns_print(table, stdout);
    columns_free(table);
}

static void print_names(const struct ls *ls, Og__FsEntry *const *entries, size_t count)
{
    bool terminal = isatty(STDOUT_FILENO);
    char **names = mem_array(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        char *name = ctl_text(ls->recursive ? entries[i]->path : entries[i]->name);
        names[i] = terminal ? mem_printf("%s%s", name, mark(entries[i])) : mem_string(name);
        mem_free(name);
    }
    if (terminal && !ls->recursive)
        columns_names(names, count, terminal_width(), stdout);
    else
        for (size_t i = 0; i < count; i++)
            puts(names[i]);
    for (size_t i = 0; i < count; i++)
        mem_free(names[i]);
    mem_free(names);
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(Og__FsEntry *const *)a)->path, (*(Og__FsEntry *const *)b)->path);
}

static void print_entries(const struct ls *ls, const char *path, Og__FsEntry *const *entries,
                          size_t count)
{
    Og__FsEntry **shown = mem_array(count + 1, sizeof(Og__FsEntry *));
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (ls->all || ls->json || !hidden(entries[i]->path))
            shown[n++] = entries[i];
    if (!ls->recursive)
        qsort(shown, n, sizeof(Og__FsEntry *),
              by_path); // some agents give them as the disk has them
    if (ls->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, entry_json(shown[i]));
        json_object_set_new(ls->json, path, list);
    } else if (ls->rows) {
        print_rows(ls, shown, n);
    } else {
        print_names(ls, shown, n);
    }
    mem_free(shown);
}

// A path that is no directory is listed as itself.
static bool list_file(struct ctl *ctl, const struct ls *ls, char *path)
{
    Og__FsStatRequest body = OG__FS_STAT_REQUEST__INIT;
    body.path = path;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_STAT;
    request.fs_stat = &body;
    struct reply reply;
    if (!ctl_call(ctl, &request, &reply))
        return false;
    if (reply.message->fs_stat->entry) {
        Og__FsEntry entry = *reply.message->fs_stat->entry, *only = &entry;
        entry.name = entry.path = path;
        struct ls whole = *ls;
        whole.all = true;
        print_entries(&whole, path, &only, 1);
    }
    reply_fini(&reply);
    return true;
}

static bool list(struct ctl *ctl, const struct ls *ls, char *path)
{
    Og__FsListRequest body = OG__FS_LIST_REQUEST__INIT;
    body.path = path;
    body.recursive = ls->recursive;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_LIST;
    request.fs_list = &body;
    struct call_options options = {.timeout_ms = ctl_timeout(ctl)};
    struct reply reply;
    struct fault fault;
    if (!ctl_try(ctl, &request, &options, &reply, &fault)) {
        if (fault.kind == FAULT_AGENT && fault.error == ENOTDIR)
            return list_file(ctl, ls, path);
        ctl_fault(ctl, &fault);
        return false;
    }
    print_entries(ls, path, reply.message->fs_list->entries, reply.message->fs_list->n_entries);
    reply_fini(&reply);
    return true;
}

static int run(struct ctl *ctl, struct arguments *args)
{
    struct ls ls = {0};
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return ctl->status;
        ls.all |= key == LS_ALL;
        ls.rows |= key == LS_LONG;
        ls.recursive |= key == LS_RECURSIVE;
        ls.bytes |= key == LS_BYTES;
    }
    if (!ctl_operands(ctl, args, 1, args->argc) || !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    ls.json = ctl->json ? json_object() : NULL;
    char here[] = "";
    int count = args->operand_count - 1;
    for (int i = 0; i < count || i == 0; i++) {
        char *path = count ? args->operands[i + 1] : here;
        if (count > 1 && !ctl->json) {
            char *text = ctl_text(path);
            printf("%s%s:\n", i ? "\n" : "", text);
            mem_free(text);
        }
        if (!list(ctl, &ls, path) && ctl->status != STATUS_FAILED)
            break;
    }
    if (ls.json)
        ctl_json(ls.json);
    return ctl->status;
}

static const struct argument arguments[] = {
    {LS_ALL, "all", NULL, "names that begin with a dot too"},
    {LS_LONG, "long", NULL, "permissions, size and time of change"},
    {LS_RECURSIVE, "recursive", NULL, "directories with everything in them"},
    {LS_BYTES, "bytes", NULL, "sizes in bytes"},
    {0},
};

const struct command command_ls = {
    .name = "ls",
    .operands = "MACHINE [PATH]...",
    .summary = "List files",
    .notes = "Without PATH, lists the directory where the agent runs. Paths may begin with ~.\n",
    .arguments = arguments,
    .run = run,
};
