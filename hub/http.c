#include "hub/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "base/alloc.h"
#include "base/random.h"

char *http_query(const struct http_request *request, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = request->query; *at; at += strspn(at, "&")) {
        size_t length = strcspn(at, "&");
        if (length > size && strncmp(at, name, size) == 0 && at[size] == '=')
            return mem_printf("%.*s", (int)(length - size - 1), at + size + 1);
        at += length;
    }
    return NULL;
}

json_t *http_json(const struct http_request *request)
{
    json_t *value =
        json_loadb(request->body.data, request->body.size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

bool http_has_token(const struct http_request *request, const char *token)
{
    static const char scheme[] = "Bearer ";
    const char *given = request->authorization;
    if (strncasecmp(given, scheme, sizeof scheme - 1) != 0)
        return false;
    given += sizeof scheme - 1;
    size_t size = strlen(token);
    return strlen(given) == size && CRYPTO_memcmp(given, token, size) == 0;
}

void answer_json(struct http_response *response, int status, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(value);
    answer_text(response, status, "application/json", text ? text : "{}");
    mem_free(text);
}

void answer_text(struct http_response *response, int status, const char *type, const char *text)
{
    response->status = status;
    response->type = type;
    buffer_consume(&response->body, response->body.size);
    if (!buffer_append_string(&response->body, text))
        response->status = 500;
}

void answer_error(struct http_response *response, int status, const char *code, bool retryable,
                  const char *format, ...)
{
    char message[512], id[UUID_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    random_uuid(id);
    answer_json(response, status,
                json_pack("{s:{s:i, s:s, s:s, s:b, s:s}}", "error", "status", status, "code", code,
                          "message", message, "retryable", retryable, "requestId", id));
}
