#include "relay/info_rewrite.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/printable.h"

static enum info_rewrite invalid(struct fail *why, const char *text)
{
    fail_because(why, FAIL_PROTOCOL, "%s", text);
    return INFO_INVALID;
}

// "-ERR 'maximum connections exceeded'" says more than "no INFO".
static enum info_rewrite no_info(struct fail *why, const char *line, size_t size)
{
    enum { SHOWN_BYTES = 100 };
    char shown[SHOWN_BYTES + 1];
    size_t n = size < SHOWN_BYTES ? size : SHOWN_BYTES;
    memcpy(shown, line, n);
    shown[n] = '\0';
    fail_because(why, FAIL_PROTOCOL,
                 "this is no NATS server, or it refuses us: its first line is %s",
                 printable_strip(shown));
    return INFO_INVALID;
}

// Puts false where true was; true when there was any.
static bool drop_tls(json_t *info)
{
    static const char *const keys[] = {"tls_required", "tls_available"};
    bool dropped = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_is_true(json_object_get(info, keys[i])))
            dropped |= json_object_set_new(info, keys[i], json_false()) == 0;
    return dropped;
}

static bool dump(const json_t *info, struct buffer *out)
{
    size_t size = json_dumpb(info, NULL, 0, JSON_COMPACT);
    char *room = size > 0 ? buffer_reserve(out, size) : NULL;
    if (!room || json_dumpb(info, room, size, JSON_COMPACT) != size)
        return false;
    buffer_commit(out, size);
    return true;
}

static enum info_rewrite rewrite(const char *object, size_t size, struct buffer *out,
                                 struct fail *why)
{
    json_error_t error;
    json_t *info = json_loadb(object, size, 0, &error);
    if (!json_is_object(info)) {
        json_decref(info);
        return invalid(why, "the server's INFO is no JSON object");
    }
    size_t before = out->size;
    bool done = buffer_append_string(out, "INFO ") &&
                (drop_tls(info) ? dump(info, out) : buffer_append(out, object, size)) &&
                buffer_append_string(out, "\r\n");
    json_decref(info);
    if (!done || out->size - before > TUNNEL_INFO_BYTES_MAX)
        return invalid(why, "the server's INFO is too long");
    return INFO_REWRITTEN;
}

enum info_rewrite info_rewrite(const char *data, size_t size, struct buffer *out, size_t *used,
                               struct fail *why)
{
    static const char name[] = "INFO";
    enum { NAME_BYTES = sizeof name - 1 };
    const char *end = size > 0 ? memchr(data, '\n', size) : NULL;
    if (!end) {
        if (size >= TUNNEL_INFO_BYTES_MAX)
            return invalid(why, "the server's first line is too long");
        return INFO_INCOMPLETE;
    }
    size_t line = (size_t)(end - data);
    if (line + 1 > TUNNEL_INFO_BYTES_MAX)
        return invalid(why, "the server's first line is too long");
    *used = line + 1;
    while (line > 0 && isspace((unsigned char)data[line - 1]))
        line--;
    size_t start = NAME_BYTES;
    while (start < line && isblank((unsigned char)data[start]))
        start++;
    if (line <= NAME_BYTES || start == NAME_BYTES || strncasecmp(data, name, NAME_BYTES) != 0)
        return no_info(why, data, line);
    return rewrite(data + start, line - start, out, why);
}
