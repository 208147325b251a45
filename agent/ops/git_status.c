#include "ops/git_status.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"

struct line {
    const char *text;
    size_t size;
};

static bool next_line(const char **at, const char *end, struct line *line)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = (struct line){*at, (size_t)((stop ? stop : end) - *at)};
    *at += line->size + (stop != NULL);
    return true;
}

// The rest of the line when it begins so.
static bool after(const struct line *line, const char *prefix, struct line *rest)
{
    size_t size = strlen(prefix);
    if (line->size < size || memcmp(line->text, prefix, size) != 0)
        return false;
    *rest = (struct line){line->text + size, line->size - size};
    return true;
}

// --- quoted paths

// The byte of an escape that begins after the backslash, -1 when it is none; *size is its length.
static int escape(const char *at, const char *end, size_t *size)
{
    static const char names[] = "abfnrtv\"\\", bytes[] = "\a\b\f\n\r\t\v\"\\";
    if (at == end)
        return -1;
    const char *name = *at ? strchr(names, *at) : NULL;
    if (name) {
        *size = 1;
        return (unsigned char)bytes[name - names];
    }
    if (end - at < 3)
        return -1;
    int value = 0;
    for (int i = 0; i < 3; i++) {
        if (at[i] < '0' || at[i] > '7')
            return -1;
        value = value * 8 + (at[i] - '0');
    }
    *size = 3;
    return value > 0 && value <= 0xff ? value : -1; // no file name contains a NUL
}

char *git_unquote(struct arena *arena, const char *text, size_t size)
{
    if (size < 2 || text[0] != '"' || text[size - 1] != '"')
        return arena_string_n(arena, text, size);
    char *out = arena_alloc(arena, size), *to = out;
    if (!out)
        return NULL;
    for (const char *at = text + 1, *end = text + size - 1; at < end; at++) {
        size_t used = 0;
        int byte = *at == '\\' ? escape(at + 1, end, &used) : -1;
        *to++ = byte >= 0 ? (char)byte : *at;
        at += byte >= 0 ? used : 0;
    }
    *to = '\0';
    return out;
}

// --- lines

static char *valid(struct arena *arena, char *text)
{
    return text ? (char *)utf8_repair(arena, text) : NULL;
}

static bool set_text(struct arena *arena, const struct line *line, char **out)
{
    char *text = valid(arena, arena_string_n(arena, line->text, line->size));
    if (text)
        *out = text;
    return text != NULL;
}

static int32_t number(const char *text, char **end)
{
    long value = strtol(text, end, 10);
    return value > INT32_MAX ? INT32_MAX : value < 0 ? 0 : (int32_t)value;
}

// "+<ahead> -<behind>"
static bool set_ahead_behind(struct arena *arena, const struct line *line, Og__GitStatus *status)
{
    const char *text = arena_string_n(arena, line->text, line->size);
    if (!text)
        return false;
    char *end;
    if (*text == '+') {
        int32_t ahead = number(text + 1, &end);
        if (strncmp(end, " -", 2) == 0) {
            status->ahead = ahead;
            status->behind = number(end + 2, &end);
        }
    }
    return true;
}

// Passes over so many fields, each ended by one space.
static bool skip_fields(struct line *line, int count)
{
    for (; count > 0; count--) {
        const char *space = memchr(line->text, ' ', line->size);
        if (!space)
            return false;
        size_t used = (size_t)(space + 1 - line->text);
        line->text += used;
        line->size -= used;
    }
    return true;
}

static bool add_file(struct arena *arena, Og__GitStatus *status, const char *code, bool staged,
                     const struct line *path)
{
    Og__GitFileStatus *file = arena_alloc(arena, sizeof *file);
    if (!file)
        return false;
    og__git_file_status__init(file);
    file->code = valid(arena, arena_string_n(arena, code, 2));
    file->path = valid(arena, git_unquote(arena, path->text, path->size));
    file->staged = staged;
    status->files[status->n_files++] = file;
    return file->code && file->path;
}

// Entries have a kind, the two letters XY, so many more fields, and a path to the end of the line.
static bool read_entry(struct arena *arena, const struct line *line, Og__GitStatus *status)
{
    static const struct {
        const char *prefix;
        int fields; // before the path
        bool can_be_staged;
    } kinds[] = {{"1 ", 7, true}, {"2 ", 8, true}, {"u ", 9, false}};
    struct line rest;
    if (after(line, "? ", &rest) && rest.size > 0)
        return add_file(arena, status, "??", false, &rest);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!after(line, kinds[i].prefix, &rest) || rest.size < 3 || rest.text[2] != ' ')
            continue;
        const char *code = rest.text;
        if (!skip_fields(&rest, kinds[i].fields))
            return true;
        // A renamed one is "new<TAB>old"; a tab in a path is quoted.
        const char *tab = line->text[0] == '2' ? memchr(rest.text, '\t', rest.size) : NULL;
        if (tab)
            rest.size = (size_t)(tab - rest.text);
        return rest.size == 0 ||
               add_file(arena, status, code, kinds[i].can_be_staged && code[0] != '.', &rest);
    }
    return true;
}

static bool read_line(struct arena *arena, const struct line *line, Og__GitStatus *status)
{
    struct line rest;
    if (after(line, "# branch.head ", &rest))
        return set_text(arena, &rest, &status->branch);
    if (after(line, "# branch.upstream ", &rest))
        return set_text(arena, &rest, &status->upstream);
    if (after(line, "# branch.ab ", &rest))
        return set_ahead_behind(arena, &rest, status);
    return read_entry(arena, line, status);
}

Og__GitStatus *git_status_parse(struct arena *arena, const char *text, size_t size)
{
    const char *end = text + size;
    struct line line;
    size_t lines = 0;
    for (const char *at = text; next_line(&at, end, &line);)
        lines++;
    Og__GitStatus *status = arena_alloc(arena, sizeof *status);
    if (!status)
        return NULL;
    og__git_status__init(status);
    status->files = arena_array(arena, lines, sizeof(Og__GitFileStatus *));
    if (!status->files)
        return NULL;
    for (const char *at = text; next_line(&at, end, &line);)
        if (!read_line(arena, &line, status))
            return NULL;
    status->clean = status->n_files == 0;
    return status;
}
