// The help, made from the tables.
#pragma once

#include <stdio.h>

struct command;

void help_all(FILE *out);
void help_command(const struct command *command, FILE *out); // NULL: help_all
