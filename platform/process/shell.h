// The shell that runs command text.
#pragma once

#include <stdbool.h>

// $SHELL when it is a POSIX shell that can be run, else /bin/sh: generated commands rely on POSIX
// quoting. Decided (and logged) at the first call; the text lives for ever.
const char *shell_choose(void);

// The same decision for a given value of $SHELL, which may be NULL.
const char *shell_usable(const char *value);

// A text that is too long for one argument goes into a memory file, which the shell inherits as
// descriptor 3 and reads through the text that shell_loader returns for -c. False with errno.
bool shell_script(const char *text, int *fd) __attribute__((warn_unused_result));
const char *shell_loader(const char *shell);
