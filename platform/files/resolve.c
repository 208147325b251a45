#include "files/resolve.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"

static bool join(struct arena *arena, const char *dir, const char *rest, const char **out,
                 struct fail *why)
{
    size_t size = strlen(dir);
    const char *slash = size > 0 && dir[size - 1] == '/' ? "" : "/";
    *out = arena_printf(arena, "%s%s%s", dir, slash, rest);
    return *out || fail_errno(why, ENOMEM, "resolve", rest);
}

bool path_resolve(struct arena *arena, const char *root, const char *home, const char *input,
                  const char **out, struct fail *why)
{
    *out = input;
    if (input[0] == '/' || strnlen(input, PATH_MAX) == PATH_MAX)
        return true;
    if (input[0] == '\0') {
        *out = root;
        return true;
    }
    if (input[0] != '~' || (input[1] != '/' && input[1] != '\0'))
        return join(arena, root, input, out, why);
    if (!home)
        return fail_because(why, FAIL_INVALID,
                            "~ cannot be resolved because the service has no HOME");
    if (input[1] == '/')
        return join(arena, home, input + 2, out, why);
    *out = home;
    return true;
}

void path_name(const char *path, const char **name, unsigned long *size)
{
    const char *end = path + strlen(path);
    for (;;) {
        if (end > path && end[-1] == '/')
            end--;
        else if (end > path + 1 && end[-1] == '.' && end[-2] == '/')
            end -= 2;
        else
            break;
    }
    const char *start = end;
    while (start > path && start[-1] != '/')
        start--;
    *name = start;
    *size = (unsigned long)(end - start);
    if (*size == 2 && memcmp(start, "..", 2) == 0)
        *size = 0;
}
