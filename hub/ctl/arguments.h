// Command lines as getopt_long(3) reads them, from tables that also make the help.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct argument {
    int key;           // what arguments_next() returns; a letter when there is a short form
    const char *name;  // long form, without the dashes
    const char *value; // what the option takes, for the help; NULL: a flag
    const char *help;  // one line
};

enum { ARGUMENTS_END = 0, ARGUMENTS_BAD = -1, ARGUMENTS_LONG_ONLY = 256 };

// Operands are gathered in place, in their order: operands[0] up to operands[operand_count - 1].
struct arguments {
    char **argv;
    int argc, at;
    const char *cluster; // rest of a run of short options
    bool stop; // options end at the first operand: what follows belongs to another program
    const struct argument *tables[2]; // each closed by an entry without a name; NULL: none
    char **operands;
    int operand_count;
    char problem[160]; // why the answer was ARGUMENTS_BAD, for a person
};

// argv without the program's or command's own name. argv is rearranged.
void arguments_init(struct arguments *args, int argc, char **argv, const struct argument *own,
                    const struct argument *common, bool stop);

// Key of the next option, with its value; ARGUMENTS_END once operands holds everything else.
int arguments_next(struct arguments *args, const char **value);

// "  -C, --cwd DIR      text", aligned over all tables printed with the same width.
void arguments_help(const struct argument *table, FILE *out);

// Values. False, and nothing stored, when the text is no such number.
bool arguments_seconds(const char *text, int64_t *ms) __attribute__((warn_unused_result));
bool arguments_count(const char *text, uint64_t max, uint64_t *count)
    __attribute__((warn_unused_result));
bool arguments_integer(const char *text, int32_t *number) __attribute__((warn_unused_result));
bool arguments_mode(const char *text, uint32_t *mode) __attribute__((warn_unused_result));
