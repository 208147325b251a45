// Connecting by hand: the deployment names a page and a code, somebody confirms there, and this
// side asks until that has happened (RFC 8628).
#pragma once

#include "enroll/exchange.h"

// For the person who is to confirm. Texts hold no control characters.
struct device_prompt {
    const char *page, *code;
    const char *direct; // the page with the code in it; "" for none
    bool foreign;       // the page is not at the address we asked
};

// Calls show once, then waits for the decision: until it is made or the code has expired. NULL with
// a text for a person.
struct connection *device_connect(const struct http_client *client, const char *workspace_id,
                                  const struct enroll_machine *machine,
                                  const struct credentials_origin *origin,
                                  void (*show)(const struct device_prompt *prompt),
                                  struct fail *why) __attribute__((warn_unused_result));
