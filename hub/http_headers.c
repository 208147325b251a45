#include "hub/http_headers.h"

#include <string.h>
#include <time.h>

#include <libwebsockets.h>

static int add_field(struct lws *wsi, enum lws_token_indexes name, const char *text,
                     unsigned char **p, unsigned char *end)
{
    return lws_add_http_header_by_token(wsi, name, (const unsigned char *)text, (int)strlen(text),
                                        p, end);
}

// A page loads nothing, runs nothing, is in no frame, and sends its form to nobody else.
static int add_page_headers(struct lws *wsi, unsigned char **p, unsigned char *end)
{
    static const char *const fields[][2] = {
        {"content-security-policy:", "default-src 'none'; style-src 'unsafe-inline'; "
                                     "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"},
        {"x-frame-options:", "DENY"},
        {"referrer-policy:", "no-referrer"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (lws_add_http_header_by_name(wsi, (const unsigned char *)fields[i][0],
                                        (const unsigned char *)fields[i][1],
                                        (int)strlen(fields[i][1]), p, end))
            return -1;
    return 0;
}

// RFC 9110 6.6.1: by it others see how far their clocks are off.
static int add_date(struct lws *wsi, unsigned char **p, unsigned char *end)
{
    char text[64];
    time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc))
        return 0;
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    return add_field(wsi, WSI_TOKEN_HTTP_DATE, text, p, end);
}

int http_send_headers(struct lws *wsi, const struct http_response *response)
{
    unsigned char room[LWS_PRE + 1024], *start = room + LWS_PRE, *p = start,
                                        *end = room + sizeof room - 1;
    if (lws_add_http_header_status(wsi, (unsigned)response->status, &p, end) ||
        add_field(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, response->type, &p, end) ||
        lws_add_http_header_content_length(wsi, response->body.size, &p, end) ||
        add_date(wsi, &p, end) ||
        add_field(wsi, WSI_TOKEN_HTTP_CACHE_CONTROL, "no-store", &p, end) ||
        // RFC 9110, 15.5.2 and 15.5.6: with these statuses they are not a choice.
        (response->status == 401 &&
         add_field(wsi, WSI_TOKEN_HTTP_WWW_AUTHENTICATE, "Bearer", &p, end)) ||
        (response->allow && add_field(wsi, WSI_TOKEN_HTTP_ALLOW, response->allow, &p, end)) ||
        lws_add_http_header_by_name(wsi, (const unsigned char *)"x-content-type-options:",
                                    (const unsigned char *)"nosniff", 7, &p, end) ||
        (response->retry_after &&
         add_field(wsi, WSI_TOKEN_HTTP_RETRY_AFTER, response->retry_after, &p, end)) ||
        (response->page && add_page_headers(wsi, &p, end)) ||
        lws_finalize_http_header(wsi, &p, end))
        return -1;
    size_t size = (size_t)(p - start);
    return lws_write(wsi, start, size, LWS_WRITE_HTTP_HEADERS) == (int)size ? 0 : -1;
}
