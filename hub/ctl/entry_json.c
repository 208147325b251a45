#include "ctl/entry_json.h"

#include <stdio.h>

#include "ctl/units.h"

const char *entry_kind(const Og__FsEntry *entry)
{
    switch (entry->kind) {
    case OG__FS_ENTRY_KIND__FS_ENTRY_KIND_DIRECTORY:
        return "directory";
    case OG__FS_ENTRY_KIND__FS_ENTRY_KIND_SYMLINK:
        return "symlink";
    default:
        return "file";
    }
}

json_t *entry_json(const Og__FsEntry *entry)
{
    char mode[16];
    snprintf(mode, sizeof mode, "%04o", entry->mode & 07777);
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "name", entry->name, "path", entry->path,
                     "kind", entry_kind(entry), "size", (json_int_t)entry->size, "mode", mode,
                     "modified", unit_iso_time_text(entry->modified_ms));
}
