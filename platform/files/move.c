#include "files/move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fail.h"

static bool move_failed(const char *from, const char *to, int error, struct fail *why)
{
    char both[FAIL_PATH_BYTES];
    int n = snprintf(both, sizeof both, "%s -> %s", from, to);
    return fail_errno(why, error, "move", n < 0 ? from : both);
}

// For filesystems that cannot do both steps in one.
static int rename_if_free(const char *from, const char *to)
{
    struct stat facts;
    if (lstat(to, &facts) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

bool file_move(const char *from, const char *to, bool overwrite, struct fail *why)
{
    if (overwrite)
        return rename(from, to) == 0 || move_failed(from, to, errno, why);
    int done = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (done < 0 && (errno == EINVAL || errno == ENOSYS))
        done = rename_if_free(from, to);
    if (done < 0 && errno == EEXIST)
        return fail_on_path(why, FAIL_EXISTS, "the destination exists:", to);
    return done == 0 || move_failed(from, to, errno, why);
}
