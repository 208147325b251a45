#include "config/bearer.h"

#include <string.h>

#include "base/base64.h"
#include "base/limits.h"
#include "base/secret.h"
#include "config/document.h"

enum { TOKEN_VALUES_MAX = 64 };
static const int64_t last_second = 253402300799; // of the year 9999

static bool read_expiry(const char *token, int64_t *expires_s)
{
    const char *payload = strchr(token, '_'), *signature = strrchr(token, '.');
    if (!payload || !signature || signature <= payload || strncmp(token, "og", 2) != 0)
        return false;
    payload++;
    size_t size = (size_t)(signature - payload), json_size;
    if (size > CONFIG_STRING_BYTES_MAX)
        return false;
    char *json = secret_alloc(size + 1);
    json_t *claims = NULL;
    if (json && base64_decode(BASE64_URL, payload, size, json, &json_size))
        claims = document_parse(json, json_size, TOKEN_VALUES_MAX, NULL);
    bool found =
        claims && document_number(claims, "exp", REQUIRED, 1, last_second, expires_s, NULL);
    json_decref(claims);
    secret_free(json);
    return found;
}

enum bearer_state bearer_read(const char *token, int64_t now_s, int64_t *expires_s)
{
    *expires_s = 0;
    if (*token == '\0')
        return BEARER_MISSING;
    if (!read_expiry(token, expires_s))
        return BEARER_UNKNOWN;
    return *expires_s < now_s                   ? BEARER_EXPIRED
           : *expires_s - now_s < BEARER_WARN_S ? BEARER_ENDING
                                                : BEARER_VALID;
}
