// The enrolment token, from wherever the command line says.
#pragma once

#include <stdbool.h>

// option: the token, "-" for standard input; file: a path whose first line it is; otherwise the
// one of the environment. Any may be NULL. *token is a copy to be freed with mem_free_secret, NULL
// when there is none. False after an error message; no message quotes it.
bool enroll_token_read(const char *option, const char *file, const char *environment, char **token)
    __attribute__((warn_unused_result));
