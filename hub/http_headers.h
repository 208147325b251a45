// The head of an answer.
#pragma once

#include "hub/http.h"

struct lws;

// Sends status line and fields. 0, or -1 when the connection is to be closed.
int http_send_headers(struct lws *wsi, const struct http_response *response);
