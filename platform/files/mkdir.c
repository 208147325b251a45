#include "files/mkdir.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail.h"

static bool is_directory(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

// 0 or errno. Somebody else may make the same directory meanwhile, and some filesystems find a
// better reason than EEXIST to refuse one that exists.
static int make(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0)
        return 0;
    int error = errno;
    return error != ENOENT && is_directory(path) ? 0 : error;
}

// Cuts the path before its last component; false when only the first one is left.
static bool cut(char *path, size_t *size)
{
    size_t n = *size;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 0 && path[n - 1] == '/')
        n--;
    if (n == 0)
        return false;
    path[n] = '\0';
    *size = n;
    return true;
}

bool directory_make_path(const char *path, mode_t mode, struct fail *why)
{
    char part[PATH_MAX];
    size_t whole = strnlen(path, sizeof part), size = whole;
    if (whole == sizeof part)
        return fail_errno(why, ENAMETOOLONG, "mkdir -p", path);
    memcpy(part, path, whole + 1);
    // Back to the deepest directory that is there or can be made, then forward again.
    int error;
    while ((error = make(part, mode)) == ENOENT && cut(part, &size))
        ;
    while (error == 0 && size < whole) {
        part[size] = path[size];
        size = strlen(part);
        error = make(part, mode);
    }
    return error == 0 || fail_errno(why, error, "mkdir -p", path);
}

bool directory_make(const char *path, bool parents, uint32_t mode, struct fail *why)
{
    if (parents) {
        if (!directory_make_path(path, 0777, why))
            return false;
    } else if (mkdir(path, 0777) < 0) {
        return fail_errno(why, errno, "mkdir", path);
    }
    if (mode != 0 && chmod(path, mode & 07777) < 0)
        return fail_errno(why, errno, "chmod", path);
    return true;
}
