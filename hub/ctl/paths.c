#include "ctl/paths.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/utf8.h"

enum {
    NAME_BYTES_MAX = 255,
    TEMPORARY_EXTRA = 1 + 1 + 16 + 4
}; // NAME_MAX; ".", ".", digits, ".tmp"

const char *path_name(const char *path)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    const char *name = path + start;
    size_t size = end - start;
    bool none =
        size == 0 || (size <= 2 && strspn(name, ".") >= size) || (size == 1 && *name == '~');
    return none ? "file" : name;
}

char *path_in(const char *directory, const char *name)
{
    size_t size = strlen(directory);
    const char *slash = size > 0 && directory[size - 1] == '/' ? "" : "/";
    return mem_printf("%s%s%.*s", directory, slash, (int)strcspn(name, "/"), name);
}

char *path_temporary(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    uint64_t number;
    random_bytes(&number, sizeof number);
    size_t kept = utf8_cut(name, NAME_BYTES_MAX - TEMPORARY_EXTRA);
    return mem_printf("%.*s.%.*s.%016llx.tmp", (int)(name - path), path, (int)kept, name,
                      (unsigned long long)number);
}
