// Command lines: long options, "--name value" or "--name=value", never abbreviated, mixed with
// other arguments until "--". A table says what there is and where it goes; the help text is made
// from the same table.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct option_spec {
    const char *name;     // without the dashes; NULL ends a table
    const char *argument; // what help calls the argument; NULL for a flag
    const char *variable; // of the environment, which counts when the option is not given and it
                          // is not empty; NULL for none
    const char *help;     // one line; NULL hides the option

    // Exactly one of these is set; both for an option whose argument may be missing: a flag then,
    // and with "--name=value" also a value. They keep what they hold until an option is given.
    const char **value; // the argument: points into argv, or for a secret is a copy
    bool *flag;

    char letter; // of a flag's short form, "-h"; 0 for none
    bool secret; // taken out of argv, or out of the environment altogether, so that neither other
                 // users nor children see it; the copy is freed with mem_free_secret
};

enum { OPTIONS_ERROR_BYTES = 160 };

struct options {
    // The tables to look in, a name being taken from the first that has it; NULL ends the list.
    const struct option_spec *const *tables;
    bool stop_at_argument; // the first argument that is no option ends the options too

    char error[OPTIONS_ERROR_BYTES]; // what is wrong with the command line, never a value
};

// Reads argv[0] .. argv[argc - 1], which holds no program name. The arguments that are no options
// are moved to its front and counted in *count. With stop_at_argument they are all from the first
// one on. False with an error text.
bool options_parse(struct options *options, int argc, char **argv, int *count)
    __attribute__((warn_unused_result));

// Fills in from the environment what options_parse has left NULL or false (a flag's variable sets
// it unless it is "0"), and takes secrets out of the environment in any case.
void options_from_environment(const struct option_spec *table);

// The lines of a table, as help shows them: names left, help right. Variables are named, their
// values never shown.
void options_help(FILE *to, const struct option_spec *table);
