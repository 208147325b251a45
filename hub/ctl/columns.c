#include "ctl/columns.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/printable.h"

enum { GAP = 2 };

struct columns {
    const char *const *heads;
    size_t width; // columns
    char **cells;
    size_t count, room;
};

struct columns *columns_new(const char *const *heads)
{
    struct columns *columns = mem_new(struct columns);
    columns->heads = heads;
    while (heads[columns->width])
        columns->width++;
    return columns;
}

void columns_free(struct columns *columns)
{
    if (!columns)
        return;
    for (size_t i = 0; i < columns->count; i++)
        mem_free(columns->cells[i]);
    mem_free(columns->cells);
    mem_free(columns);
}

static void take(struct columns *columns, char *cell)
{
    if (columns->count == columns->room) {
        columns->room = columns->room ? columns->room * 2 : 64;
        columns->cells = mem_resize(columns->cells, columns->room * sizeof *columns->cells);
    }
    columns->cells[columns->count++] = printable_strip(cell);
}

void columns_add(struct columns *columns, const char *cell)
{
    take(columns, mem_string(cell ? cell : ""));
}

void columns_addf(struct columns *columns, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    take(columns, mem_string(text));
}

// Columns that a text takes on a terminal.
static size_t width_of(const char *text)
{
    size_t width = 0;
    mbstate_t state = {0};
    for (size_t left = strlen(text); left > 0;) {
        if (*text >= ' ' && *text <= '~') { // nearly all there is
            width++, text++, left--;
            continue;
        }
        wchar_t c;
        size_t n = mbrtowc(&c, text, left, &state);
        if (n == (size_t)-1 || n == (size_t)-2 || n == 0)
            return width + left; // not in this locale's encoding: a column a byte
        int w = wcwidth(c);
        width += w > 0 ? (size_t)w : 0;
        text += n;
        left -= n;
    }
    return width;
}

static void pad(size_t count, FILE *out)
{
    while (count-- > 0)
        putc(' ', out);
}

static void print_cell(const char *text, size_t width, bool right, bool last, FILE *out)
{
    size_t own = width_of(text), missing = width > own ? width - own : 0;
    if (right)
        pad(missing, out);
    fputs(text, out);
    if (last)
        fputc('\n', out);
    else
        pad((right ? 0 : missing) + GAP, out);
}

void columns_print(const struct columns *columns, FILE *out)
{
    size_t n = columns->width;
    assert(columns->count % n == 0);
    if (columns->count == 0)
        return;
    size_t *widths = mem_array(n, sizeof *widths);
    bool headed = false;
    for (size_t i = 0; i < n; i++) {
        const char *head = columns->heads[i];
        headed |= head[*head == '-'] != '\0';
        widths[i] = width_of(head + (*head == '-'));
    }
    for (size_t i = 0; i < columns->count; i++) {
        size_t width = width_of(columns->cells[i]);
        if (width > widths[i % n])
            widths[i % n] = width;
    }
    for (size_t i = 0; headed && i < n; i++) {
        const char *head = columns->heads[i];
        print_cell(head + (*head == '-'), widths[i], *head == '-', i + 1 == n, out);
    }
    for (size_t i = 0; i < columns->count; i++)
        print_cell(columns->cells[i], widths[i % n], *columns->heads[i % n] == '-', i % n + 1 == n,
                   out);
    mem_free(widths);
}

// Lines that names take in so many columns of equal width.
static size_t lines_for(size_t count, size_t across)
{
    return (count + across - 1) / across;
}

void columns_names(char *const *names, size_t count, size_t terminal, FILE *out)
{
    size_t widest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t width = width_of(names[i]);
        if (width > widest)
            widest = width;
    }
    size_t across = (terminal + GAP) / (widest + GAP);
    if (across == 0)
        across = 1;
    size_t lines = lines_for(count, across);
    for (size_t line = 0; line < lines; line++)
        for (size_t i = line; i < count; i += lines)
            print_cell(names[i], widest, false, i + lines >= count, out);
}
