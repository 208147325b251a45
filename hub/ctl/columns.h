// A table for a terminal: rows of cells, printed when all of them are known, so that columns line
// up. Cells are stripped of what could steer a terminal.
#pragma once

#include <stdio.h>

struct columns;

// heads: one text a column, closed by NULL; "-" in front of a head aligns that column to the right,
// and is not printed.
struct columns *columns_new(const char *const *heads);
void columns_free(struct columns *columns);

// The next cell of the row; rows are full before the next begins.
void columns_add(struct columns *columns, const char *cell);
void columns_addf(struct columns *columns, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void columns_print(const struct columns *columns, FILE *out); // no heads without a row

// Names side by side, filled column by column, as wide as the terminal.
void columns_names(char *const *names, size_t count, size_t terminal, FILE *out);
