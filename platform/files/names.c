#include "files/names.h"

#include <assert.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

enum { BATCH_BYTES = 32768 };

// Offsets have 32 bits.
_Static_assert((uint64_t)FS_LIST_ENTRIES_MAX *(NAME_BYTES_MAX + 1) < UINT32_MAX,
               "a full list of long names must fit");

void names_init(struct names *names)
{
    *names = (struct names){0};
    buffer_init(&names->text, UINT32_MAX);
}

void names_fini(struct names *names)
{
    buffer_fini(&names->text);
    mem_free(names->items);
    names->items = NULL;
    names->count = names->room = 0;
}

const char *names_text(const struct names *names, const struct name *name)
{
    return names->text.data + name->at;
}

static uint64_t prefix_of(const char *text, size_t size)
{
    uint64_t prefix = 0;
    memcpy(&prefix, text, size < sizeof prefix ? size : sizeof prefix);
    return be64toh(prefix);
}

static bool add(struct names *names, const char *text, unsigned char type)
{
    size_t size = strlen(text);
    struct name name = {prefix_of(text, size), (uint32_t)names->text.size, type};
    if (!buffer_append(&names->text, text, size + 1))
        return false;
    if (names->count == names->room) {
        names->room = names->room ? names->room * 2 : 32;
        names->items = mem_resize(names->items, names->room * sizeof *names->items);
    }
    names->items[names->count++] = name;
    return true;
}

static bool is_dots(const char *text)
{
    return text[0] == '.' && (text[1] == '\0' || (text[1] == '.' && text[2] == '\0'));
}

bool names_read(struct names *names, int dir, size_t count_max, size_t bytes_max)
{
    _Alignas(struct dirent64) char batch[BATCH_BYTES];
    names->count = 0;
    names->text.size = 0;
    names->complete = false;
    while (names->count <= count_max && names->text.size <= bytes_max) {
        ssize_t n = getdents64(dir, batch, sizeof batch);
        if (n <= 0) {
            names->complete = n == 0;
            return n == 0;
        }
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *)(batch + at);
            at += entry->d_reclen;
            if (!is_dots(entry->d_name) && !add(names, entry->d_name, entry->d_type)) {
                errno = EOVERFLOW;
                return false;
            }
        }
    }
    return true;
}

static int compare(const void *a, const void *b, void *names)
{
    const struct name *left = a, *right = b;
    if (left->prefix != right->prefix)
        return left->prefix < right->prefix ? -1 : 1;
    return strcmp(names_text(names, left), names_text(names, right));
}

void names_sort(struct names *names)
{
    if (names->count > 1)
        qsort_r(names->items, names->count, sizeof *names->items, compare, names);
}

void names_keep_only(struct names *names, size_t index)
{
    struct names kept;
    names_init(&kept);
    const struct name *item = &names->items[index];
    bool added = add(&kept, names_text(names, item), item->type);
    assert(added);
    (void)added;
    names_fini(names);
    *names = kept;
}
