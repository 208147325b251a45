#include "relay/url.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buffer.h"

static const struct {
    const char *prefix;
    bool tls;
} schemes[] = {{"ws://", false}, {"wss://", true}, {"http://", false}, {"https://", true}};

static bool invalid(struct fail *why, const char *problem)
{
    return fail_because(why, FAIL_STREAM, "the relay's address %s", problem);
}

static const char *after_scheme(const char *text, bool *tls)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncasecmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) {
            *tls = schemes[i].tls;
            return text + strlen(schemes[i].prefix);
        }
    return NULL;
}

static bool parse_port(const char *text, size_t size, uint16_t *port)
{
    unsigned value = 0;
    if (size == 0 || size > 5)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

// "host", "host:port", "[v6]:port".
static bool parse_authority(const char *text, size_t size, struct relay_url *url, struct fail *why)
{
    if (memchr(text, '@', size))
        return invalid(why, "names a user");
    const char *host = text, *end = text + size, *host_end;
    if (size > 0 && *text == '[') {
        host++;
        host_end = memchr(text, ']', size);
        if (!host_end)
            return invalid(why, "has no end of its host");
        text = host_end + 1;
    } else {
        host_end = memchr(text, ':', size);
        text = host_end = host_end ? host_end : end;
    }
    size_t host_size = (size_t)(host_end - host);
    if (host_size == 0 || host_size >= sizeof url->host)
        return invalid(why, "has no usable host");
    memcpy(url->host, host, host_size);
    url->host[host_size] = '\0';
    url->port = url->tls ? 443 : 80;
    if (text < end && (*text != ':' || !parse_port(text + 1, (size_t)(end - text) - 1, &url->port)))
        return invalid(why, "has no usable port");
    return true;
}

static bool parse_path(const char *text, struct relay_url *url, struct fail *why)
{
    size_t path = strcspn(text, "?"), size = strcspn(text, "#");
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
            return invalid(why, "has a path with white space or foreign characters");
    bool bare = path == 0 || (path == 1 && *text == '/');
    const char *start = bare ? "/stream" : "";
    if (bare) {
        text += path;
        size -= path;
    }
    if (strlen(start) + size >= sizeof url->path)
        return invalid(why, "is too long");
    char *at = stpcpy(url->path, start);
    memcpy(at, text, size);
    at[size] = '\0';
    return true;
}

bool relay_url_parse(const char *text, struct relay_url *url, struct fail *why)
{
    *url = (struct relay_url){0};
    if (!*text)
        return invalid(why, "is missing: this deployment has no relay");
    const char *rest = after_scheme(text, &url->tls);
    if (!rest)
        return invalid(why, "is neither ws nor wss");
    size_t authority = strcspn(rest, "/?#");
    return parse_authority(rest, authority, url, why) && parse_path(rest + authority, url, why);
}

static bool add_encoded(struct buffer *out, const char *key, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    bool good = buffer_append_string(out, key);
    for (; good && *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || strchr("-._~", c))
            good = buffer_append(out, text, 1);
        else
            good = buffer_append(out, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
    return good;
}

char *relay_url_channel(const struct relay_url *url, const char *workspace_id, const char *agent_id,
                        uint16_t port, const char *channel_id)
{
    struct buffer out;
    buffer_init(&out, RELAY_QUERY_BYTES_MAX);
    bool good = buffer_printf(&out, "%s%c", url->path, strchr(url->path, '?') ? '&' : '?') &&
                add_encoded(&out, "ws=", workspace_id) && add_encoded(&out, "&agent=", agent_id) &&
                buffer_printf(&out, "&port=%u", port) && add_encoded(&out, "&channel=", channel_id);
    assert(good); // ids are limited where they come from
    return out.data;
}
