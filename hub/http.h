// One request and its answer, without the network.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/buffer.h"

enum http_method { HTTP_GET, HTTP_POST, HTTP_OTHER };

struct http_request {
    enum http_method method; // HEAD is a GET
    bool head;               // and its answer has no body
    char *path;              // decoded, begins with '/'
    char *query;             // "a=b&c=d", "" when there is none
    char *authorization;     // header fields; "" when missing
    char *host;
    char peer[64]; // the client's address
    bool local;    // came through the hub's own socket: the hub's user, or root
    struct buffer body;
};

struct http_response {
    int status;
    const char *type;        // of the body
    const char *retry_after; // seconds, or NULL
    const char *allow;       // of a 405: the methods that there are
    enum http_ending { ENDING_ANSWER, ENDING_RESET, ENDING_HANG } ending; // see faults.h
    bool page; // for a person's browser, which may do nothing with it but show it
    struct buffer body;
};

// The value of one parameter of the query, as it stands, to be freed with mem_free; NULL: none.
char *http_query(const struct http_request *request, const char *name);

// The body as a JSON object, to be freed with json_decref; NULL when it is none.
json_t *http_json(const struct http_request *request);

// Whether the request carries that token as "Authorization: Bearer TOKEN".
bool http_has_token(const struct http_request *request, const char *token);

// Answers. answer_json takes over value.
void answer_json(struct http_response *response, int status, json_t *value);
void answer_text(struct http_response *response, int status, const char *type, const char *text);

// {"error":{"status":...,"code":...,"message":...,"retryable":...,"requestId":...}}
void answer_error(struct http_response *response, int status, const char *code, bool retryable,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));
