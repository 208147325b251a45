#include "config/document.h"

#include <pthread.h>
#include <string.h>

#include "base/limits.h"
#include "base/secret.h"

static void wipe_what_is_freed(void)
{
    json_set_alloc_funcs(secret_alloc, secret_free);
}

static void prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, wipe_what_is_freed);
}

// Looks at the text without understanding it: what it would nest and hold if it were JSON. Every
// value but the first follows a comma or an opening bracket.
static bool within_bounds(const char *text, size_t size, size_t values_max, struct fail *why)
{
    size_t depth = 0, values = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"') {
            for (i++; i < size && text[i] != '"'; i++)
                i += text[i] == '\\';
        } else if (text[i] == '{' || text[i] == '[') {
            values++;
            if (++depth > CONFIG_NESTING_MAX)
                return fail_because(why, FAIL_INVALID, "nested too deeply");
        } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
            depth--;
        } else if (text[i] == ',') {
            values++;
        }
    }
    return values <= values_max || fail_because(why, FAIL_INVALID, "too many values");
}

static bool strings_fit(json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;
    if (json_is_string(value))
        return json_string_length(value) <= CONFIG_STRING_BYTES_MAX;
    if (json_is_object(value))
        json_object_foreach(value, key, child) if (strlen(key) > CONFIG_STRING_BYTES_MAX ||
                                                   !strings_fit(child)) return false;
    if (json_is_array(value))
        json_array_foreach(value, i, child) if (!strings_fit(child)) return false;
    return true;
}

json_t *document_parse(const char *text, size_t size, size_t values_max, struct fail *why)
{
    prepare();
    if (!within_bounds(text, size, values_max, why))
        return NULL;
    json_error_t error;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!value) // error.text quotes the content
        fail_because(
            why, FAIL_INVALID, "not valid JSON at line %d, column %d%s", error.line, error.column,
            json_error_code(&error) == json_error_duplicate_key ? " (a key is repeated)" : "");
    else if (!json_is_object(value))
        fail_because(why, FAIL_INVALID, "not a JSON object");
    else if (!strings_fit(value))
        fail_because(why, FAIL_INVALID, "a string is too long");
    else
        return value;
    json_decref(value);
    return NULL;
}

// The value of a key, or NULL; *ok tells whether that is allowed.
static const json_t *find(const json_t *object, const char *key, enum presence presence, bool *ok,
                          struct fail *why)
{
    const json_t *value = json_object_get(object, key);
    *ok =
        value || presence == OPTIONAL || fail_because(why, FAIL_INVALID, "\"%s\" is missing", key);
    return value;
}

bool document_text(const json_t *object, const char *key, enum presence presence, const char **out,
                   struct fail *why)
{
    bool ok;
    const json_t *value = find(object, key, presence, &ok, why);
    if (!value)
        return ok;
    if (!json_is_string(value))
        return fail_because(why, FAIL_INVALID, "\"%s\" is not a string", key);
    *out = json_string_value(value);
    return true;
}

bool document_flag(const json_t *object, const char *key, enum presence presence, bool *out,
                   struct fail *why)
{
    bool ok;
    const json_t *value = find(object, key, presence, &ok, why);
    if (!value)
        return ok;
    if (!json_is_boolean(value))
        return fail_because(why, FAIL_INVALID, "\"%s\" is neither true nor false", key);
    *out = json_is_true(value);
    return true;
}

bool document_number(const json_t *object, const char *key, enum presence presence, int64_t min,
                     int64_t max, int64_t *out, struct fail *why)
{
    bool ok;
    const json_t *value = find(object, key, presence, &ok, why);
    if (!value)
        return ok;
    if (!json_is_integer(value))
        return fail_because(why, FAIL_INVALID, "\"%s\" is not a whole number", key);
    int64_t number = json_integer_value(value);
    if (number < min || number > max)
        return fail_because(why, FAIL_INVALID, "\"%s\" is out of range", key);
    *out = number;
    return true;
}

bool document_list(const json_t *object, const char *key, enum presence presence,
                   const json_t **out, struct fail *why)
{
    bool ok;
    const json_t *value = find(object, key, presence, &ok, why);
    if (!value)
        return ok;
    if (!json_is_array(value))
        return fail_because(why, FAIL_INVALID, "\"%s\" is not a list", key);
    *out = value;
    return true;
}

char *document_write(const json_t *value, size_t max)
{
    size_t size = json_dumpb(value, NULL, 0, JSON_INDENT(2));
    if (size == 0 || size >= max)
        return NULL;
    char *text = secret_alloc(size + 2);
    if (!text)
        return NULL;
    json_dumpb(value, text, size, JSON_INDENT(2));
    text[size] = '\n';
    text[size + 1] = '\0';
    return text;
}
