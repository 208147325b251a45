#include "files/entry.h"

#include <errno.h>

#include "base/fail.h"

struct entry entry_of(const struct stat *facts)
{
    int64_t seconds = facts->st_mtim.tv_sec, modified_ms;
    if (seconds < 0)
        modified_ms = 0;
    else if (__builtin_mul_overflow(seconds, 1000, &modified_ms) ||
             __builtin_add_overflow(modified_ms, facts->st_mtim.tv_nsec / 1000000, &modified_ms))
        modified_ms = INT64_MAX;
    return (struct entry){
        .kind = S_ISLNK(facts->st_mode)   ? ENTRY_SYMLINK
                : S_ISDIR(facts->st_mode) ? ENTRY_DIRECTORY
                                          : ENTRY_FILE,
        .size = facts->st_size > 0 ? (uint64_t)facts->st_size : 0,
        .modified_ms = modified_ms,
        .mode = facts->st_mode,
    };
}

bool file_stat(const char *path, struct entry *entry, bool *exists, struct fail *why)
{
    struct stat facts;
    *exists = lstat(path, &facts) == 0;
    if (*exists)
        *entry = entry_of(&facts);
    else if (errno != ENOENT && errno != ENOTDIR)
        return fail_errno(why, errno, "stat", path);
    return true;
}
