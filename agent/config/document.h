// JSON objects from files and servers: bounded before anything is allocated for them, strict, and
// read by key. Error texts never quote the content. What jansson frees is overwritten first.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

// The object in text, to be given to json_decref; NULL with *why when it is none, holds more than
// values_max values or a string over CONFIG_STRING_BYTES_MAX, nests deeper than
// CONFIG_NESTING_MAX, repeats a key, or has a NUL inside a string.
json_t *document_parse(const char *text, size_t size, size_t values_max, struct fail *why)
    __attribute__((warn_unused_result));

enum presence { OPTIONAL, REQUIRED };

// Each leaves *out as it is when an optional key is missing, and fails when the value is of
// another type. Texts belong to the object.
bool document_text(const json_t *object, const char *key, enum presence presence, const char **out,
                   struct fail *why) __attribute__((warn_unused_result));
bool document_flag(const json_t *object, const char *key, enum presence presence, bool *out,
                   struct fail *why) __attribute__((warn_unused_result));
bool document_number(const json_t *object, const char *key, enum presence presence, int64_t min,
                     int64_t max, int64_t *out, struct fail *why)
    __attribute__((warn_unused_result));
bool document_list(const json_t *object, const char *key, enum presence presence,
                   const json_t **out, struct fail *why) __attribute__((warn_unused_result));

// The text of a value, indented, with a final newline; freed with secret_free. NULL when it would
// be larger than max.
char *document_write(const json_t *value, size_t max) __attribute__((warn_unused_result));
