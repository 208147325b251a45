// What a browser sends when a person presses a button: application/x-www-form-urlencoded.
#pragma once

#include <stddef.h>

// The value of a field, decoded, control characters taken out; to be freed with mem_free_secret.
// "" when there is no such field. fields may be a query.
char *form_value(const char *fields, size_t size, const char *name)
    __attribute__((warn_unused_result));
