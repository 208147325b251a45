#include "config/api_url.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "config/url_host.h"

struct span {
    const char *text;
    size_t size;
};

static struct span trim(const char *text)
{
    while (*text && (unsigned char)*text <= ' ')
        text++;
    size_t size = strlen(text);
    while (size > 0 && (unsigned char)text[size - 1] <= ' ')
        size--;
    return (struct span){text, size};
}

// Splits the text before the first of the given characters off the front of rest.
static struct span cut(struct span *rest, const char *stops)
{
    struct span front = {rest->text, 0};
    while (front.size < rest->size && !strchr(stops, front.text[front.size]))
        front.size++;
    rest->text += front.size;
    rest->size -= front.size;
    return front;
}

static void skip(struct span *span, size_t size)
{
    span->text += size;
    span->size -= size;
}

static bool take_scheme(struct span *rest, bool *tls)
{
    *tls = rest->size >= 6 && strncasecmp(rest->text, "https:", 6) == 0;
    if (!*tls && !(rest->size >= 5 && strncasecmp(rest->text, "http:", 5) == 0))
        return false;
    skip(rest, *tls ? 6 : 5);
    while (rest->size > 0 && strchr("/\\", rest->text[0]))
        skip(rest, 1);
    return true;
}

// *port is -1 for none and for the scheme's own.
static bool read_port(struct span digits, bool tls, long *port)
{
    *port = digits.size ? 0 : -1;
    for (size_t i = 0; i < digits.size; i++) {
        if (!isdigit((unsigned char)digits.text[i]))
            return false;
        *port = *port * 10 + (digits.text[i] - '0');
        if (*port > 65535)
            return false;
    }
    if (*port == (tls ? 443 : 80))
        *port = -1;
    return true;
}

static bool write_authority(struct span authority, bool tls, struct buffer *out, struct fail *why)
{
    char host[URL_HOST_BYTES];
    long port;
    if (memchr(authority.text, '@', authority.size))
        return fail_because(why, FAIL_INVALID, "a user name or password is not allowed in it");
    struct span rest = authority, address = {authority.text, 0};
    if (authority.size > 0 && authority.text[0] == '[') {
        address.size = cut(&rest, "]").size + (rest.size > 0);
        skip(&rest, rest.size > 0);
        if (rest.size > 0 && rest.text[0] != ':')
            return fail_because(why, FAIL_INVALID, "the host is not a valid IPv6 address");
    } else {
        address = cut(&rest, ":");
    }
    if (!url_host_normalise(address.text, address.size, host, why))
        return false;
    skip(&rest, rest.size > 0);
    if (!read_port(rest, tls, &port))
        return fail_because(why, FAIL_INVALID, "the port is not a number up to 65535");
    return (buffer_append_string(out, tls ? "https://" : "http://") &&
            buffer_append_string(out, host) && (port < 0 || buffer_printf(out, ":%ld", port))) ||
           fail_because(why, FAIL_INVALID, "it is too long");
}

// How many dots a path segment stands for, %2e included; 0 for any other segment.
static unsigned dots(struct span segment)
{
    unsigned count = 0;
    while (segment.size > 0) {
        bool escaped = segment.size >= 3 && strncasecmp(segment.text, "%2e", 3) == 0;
        if ((!escaped && segment.text[0] != '.') || ++count > 2)
            return 0;
        skip(&segment, escaped ? 3 : 1);
    }
    return count;
}

static bool write_segment(struct span segment, struct buffer *out)
{
    if (!buffer_append(out, "/", 1))
        return false;
    for (size_t i = 0; i < segment.size; i++) {
        unsigned char c = (unsigned char)segment.text[i];
        bool escape = c >= 0x7f || strchr(" \"<>`{}", c); // the "path percent-encode set"
        if (escape ? !buffer_printf(out, "%%%02X", c) : !buffer_append(out, &c, 1))
            return false;
    }
    return true;
}

static bool write_path(struct span path, struct buffer *out)
{
    size_t base = out->size;
    while (path.size > 0) {
        skip(&path, 1); // the slash
        struct span segment = cut(&path, "/\\");
        unsigned up = dots(segment);
        if (up == 0 && !write_segment(segment, out))
            return false;
        while (up == 2 && out->size > base && out->data[--out->size] != '/')
            ;
    }
    while (out->size > base && out->data[out->size - 1] == '/')
        out->size--;
    out->data[out->size] = '\0';
    return true;
}

bool api_url_normalise(const char *text, char **url, struct fail *why)
{
    struct span rest = trim(text);
    bool tls;
    for (size_t i = 0; i < rest.size; i++)
        if ((unsigned char)rest.text[i] < ' ' || rest.text[i] == 0x7f)
            return fail_because(why, FAIL_INVALID, "it holds control characters");
    rest = cut(&rest, "?#");
    if (!take_scheme(&rest, &tls))
        return fail_because(why, FAIL_INVALID, "it has to begin with https:// or http://");
    struct buffer out;
    buffer_init(&out, API_URL_BYTES_MAX);
    bool done = write_authority(cut(&rest, "/\\"), tls, &out, why) &&
                (write_path(rest, &out) || fail_because(why, FAIL_INVALID, "it is too long"));
    if (done)
        *url = mem_string(out.data);
    buffer_fini(&out);
    return done;
}

char *api_url_endpoint(const char *url, const char *path)
{
    return mem_printf("%s/%s", url, path + strspn(path, "/"));
}

bool api_url_in_clear(const char *url)
{
    static const char plain[] = "http://";
    if (strncmp(url, plain, sizeof plain - 1) != 0)
        return false;
    char host[URL_HOST_BYTES];
    const char *text = url + sizeof plain - 1;
    size_t size = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":/");
    return !url_host_normalise(text, size, host, NULL) || !url_host_is_loopback(host);
}
