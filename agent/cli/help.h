// The texts about the program itself.
#pragma once

#include <stdio.h>

struct command;
struct option_spec;

extern const struct option_spec *const global_options; // of main.c

void help_overview(FILE *to);
void help_command(FILE *to, const struct command *command);
void help_usage(FILE *to, const struct command *command); // the one line; NULL for the program's
