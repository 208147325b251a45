// One JSON request to a deployment's HTTP interface, bounded in time and size.
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/fail.h"

struct http_client {
    const char *api_url;    // normalised (config/api_url.h)
    const char *ca_file;    // a private CA beside the system's store; NULL: none
    const char *access_key; // of the deployment's perimeter; NULL: none
};

struct http_reply {
    long status;
    struct buffer body; // secret; up to ENROLL_REPLY_BYTES_MAX
};

// Posts body (UTF-8 JSON) to a path like "v1/enrollments/token/exchange". True with the reply,
// whatever its status is; it is released with http_reply_fini. False when there was none:
// *lost tells whether the request may have been carried out all the same.
//
// Follows 307 and 308, never from https to http. Other redirections would turn the request into
// another one; they fail with the place they point to.
bool http_post(const struct http_client *client, const char *path, const char *body,
               struct http_reply *reply, bool *lost, struct fail *why)
    __attribute__((warn_unused_result));
void http_reply_fini(struct http_reply *reply);

// What the reply says about its error, as one line for a person: the message in its JSON, else the
// beginning of its text. To be freed with mem_free.
char *http_reply_message(const struct http_reply *reply);

// True, and said so, when the deployment asks for its access key: 401 with
// {"error":"unauthorized"}.
bool http_reply_wants_key(const struct http_client *client, const struct http_reply *reply,
                          struct fail *why);
