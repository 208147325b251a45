#include "config/url_host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool refuse(struct fail *why, const char *what)
{
    return fail_because(why, FAIL_INVALID, "%s", what);
}

// One number of an IPv4 address: decimal, 0octal or 0xhex; nothing after 0x is zero.
static bool ipv4_number(const char *text, size_t size, unsigned long long *out)
{
    unsigned base = 10;
    if (size > 1 && text[0] == '0') {
        bool hex = (text[1] | 0x20) == 'x';
        base = hex ? 16 : 8;
        text += hex ? 2 : 1;
        size -= hex ? 2 : 1;
    } else if (size == 0) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned digit = isdigit(c) ? c - (unsigned)'0' : isxdigit(c) ? (c | 0x20u) - 'a' + 10 : 99;
        if (digit >= base)
            return false;
        *out = *out * base + digit;
        if (*out > 0xffffffffull)
            *out = 1ull << 32; // too large already
    }
    return true;
}

static size_t last_label(const char *host, size_t size)
{
    size_t at = size;
    while (at > 0 && host[at - 1] != '.')
        at--;
    return at;
}

// A host whose last label is a number is an IPv4 address or nothing.
static bool ends_in_number(const char *host, size_t size)
{
    size_t at = last_label(host, size);
    unsigned long long ignored;
    bool digits = at < size;
    for (size_t i = at; i < size; i++)
        digits = digits && isdigit((unsigned char)host[i]);
    return digits || ipv4_number(host + at, size - at, &ignored);
}

static bool ipv4(const char *text, size_t size, char host[URL_HOST_BYTES])
{
    unsigned long long parts[4], address = 0;
    size_t count = 0;
    for (size_t at = 0; at <= size; count++) {
        const char *dot = memchr(text + at, '.', size - at);
        size_t end = dot ? (size_t)(dot - text) : size;
        if (count == 4 || !ipv4_number(text + at, end - at, &parts[count]))
            return false;
        at = end + 1;
    }
    for (size_t i = 0; i + 1 < count; i++) {
        if (parts[i] > 255)
            return false;
        address |= parts[i] << (8 * (3 - i));
    }
    if (parts[count - 1] >= 1ull << (8 * (5 - count))) // the last one fills what is left
        return false;
    address |= parts[count - 1];
    snprintf(host, URL_HOST_BYTES, "%llu.%llu.%llu.%llu", address >> 24, address >> 16 & 255,
             address >> 8 & 255, address & 255);
    return true;
}

// The longest run of at least two zero pieces, of which the first is taken.
static int longest_zeros(const unsigned pieces[8], int *length)
{
    int best = -1;
    *length = 1;
    for (int i = 0, run = 0; i < 8; i++) {
        run = pieces[i] == 0 ? run + 1 : 0;
        if (run > *length) {
            *length = run;
            best = i - run + 1;
        }
    }
    return best;
}

static bool ipv6(const char *text, size_t size, char host[URL_HOST_BYTES])
{
    char copy[64];
    unsigned char address[16];
    unsigned pieces[8];
    if (size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (inet_pton(AF_INET6, copy, address) != 1)
        return false;
    for (size_t i = 0; i < 8; i++)
        pieces[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
    int length, zeros = longest_zeros(pieces, &length);
    int n = snprintf(host, URL_HOST_BYTES, "[");
    for (int i = 0; i < 8;) {
        if (i == zeros) {
            n += snprintf(host + n, URL_HOST_BYTES - (size_t)n, i == 0 ? "::" : ":");
            i += length;
            continue;
        }
        n += snprintf(host + n, URL_HOST_BYTES - (size_t)n, i < 7 ? "%x:" : "%x", pieces[i]);
        i++;
    }
    snprintf(host + n, URL_HOST_BYTES - (size_t)n, "]");
    return true;
}

bool url_host_normalise(const char *text, size_t size, char host[URL_HOST_BYTES], struct fail *why)
{
    if (size == 0)
        return refuse(why, "the host is missing");
    if (text[0] == '[')
        return (text[size - 1] == ']' && ipv6(text + 1, size - 2, host)) ||
               refuse(why, "the host is not a valid IPv6 address");
    if (size >= URL_HOST_BYTES)
        return refuse(why, "the host name is too long");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80)
            return refuse(why, "an international host name has to be given in its xn-- form");
        if (c <= ' ' || c == 0x7f || strchr("#/:<>?@[\\]^|%", c))
            return refuse(why, "the host name holds characters that no host name has");
        host[i] = (char)tolower(c);
    }
    host[size] = '\0';
    size_t end = size > 1 && host[size - 1] == '.' ? size - 1 : size;
    if (!ends_in_number(host, end))
        return true;
    char name[URL_HOST_BYTES];
    memcpy(name, host, end);
    return ipv4(name, end, host) || refuse(why, "the host is not a valid IPv4 address");
}

bool url_host_is_loopback(const char *host)
{
    size_t size = strlen(host);
    static const char suffix[] = ".localhost";
    struct in_addr ignored;
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (size > sizeof suffix && strcmp(host + size - (sizeof suffix - 1), suffix) == 0) ||
           (strncmp(host, "127.", 4) == 0 && inet_pton(AF_INET, host, &ignored) == 1);
}
