#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "files/list.h"
#include "ops/fs.h"
#include "proto/encode.h"
#include "proto/wire.h"

// Tag and length of an entry, tag, length and at least one byte each of name and path, tag and
// value of kind: every entry of a list takes at least this.
enum { ENTRY_BYTES_MIN = 2 + 3 + 3 + 2 };

struct item {
    struct item *next;
    Og__FsEntry entry;
};

struct collection {
    struct op *op;
    struct item *first, **last;
    size_t count;
    size_t size; // of the entries, encoded
};

static bool set_texts(struct arena *arena, Og__FsEntry *entry, const char *path, size_t name_at)
{
    const char *text = utf8_repair(arena, path);
    if (text == path) {
        text = arena_string(arena, path);
    } else if (text) {
        // A slash stays a slash, but what comes before may have become longer.
        const char *slash = strrchr(text, '/');
        name_at = slash ? (size_t)(slash + 1 - text) : 0;
    }
    if (!text)
        return false;
    entry->path = (char *)text;
    entry->name = (char *)text + name_at;
    return true;
}

static bool collect(void *context, const char *path, size_t name_at, const struct entry *entry,
                    struct fail *why)
{
    struct collection *list = context;
    struct item *item = arena_alloc(list->op->arena, sizeof *item);
    if (!item)
        return fail_errno(why, ENOMEM, "readdir", path);
    item->next = NULL;
    og__fs_entry__init(&item->entry);
    fs_entry_set(&item->entry, entry);
    if (!set_texts(list->op->arena, &item->entry, path, name_at))
        return fail_errno(why, ENOMEM, "readdir", path);
    *list->last = item;
    list->last = &item->next;
    list->count++;
    size_t size = encode_size(&item->entry.base);
    list->size += 1 + wire_varint_size(size) + size;
    return list->size <= list->op->reply_max ||
           fail_too_large(why, list->size, list->op->reply_max);
}

static bool fill(struct op *op, const struct collection *list, Og__FsListResponse *out,
                 struct fail *why)
{
    out->entries = arena_array(op->arena, list->count, sizeof(Og__FsEntry *));
    if (!out->entries)
        return fail_errno(why, ENOMEM, "readdir", NULL);
    for (struct item *item = list->first; item; item = item->next)
        out->entries[out->n_entries++] = &item->entry;
    return true;
}

static bool list_directory(struct op *op, const Og__FsListRequest *in, struct collection *list,
                           struct fail *why)
{
    const char *path;
    size_t fitting = op->reply_max / ENTRY_BYTES_MIN;
    struct list_options options = {
        .recursive = in->recursive,
        .entries_max = fitting < FS_LIST_ENTRIES_MAX ? fitting : FS_LIST_ENTRIES_MAX,
        .cancel = op->cancel,
    };
    if (!fs_path(op, in->path, &path, why))
        return false;
    if (directory_list(path, &options, collect, list, why))
        return true;
    // Too many names to even look at: what the reply would take at least.
    if (why->kind == FAIL_TOO_LARGE && why->size == 0)
        fail_too_large(why, (options.entries_max + 1) * ENTRY_BYTES_MIN, op->reply_max);
    return false;
}

bool op_fs_list(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
                struct fail *why)
{
    Og__FsListResponse *out = arena_alloc(op->arena, sizeof *out);
    if (!out)
        return fail_errno(why, ENOMEM, "readdir", NULL);
    og__fs_list_response__init(out);
    struct collection list = {.op = op, .last = &list.first};
    if (!list_directory(op, request->fs_list, &list, why) || !fill(op, &list, out, why))
        return false;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_FS_LIST;
    response->fs_list = out;
    return fs_reply_fits(op, response, why);
}
