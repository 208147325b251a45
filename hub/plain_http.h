// A client that says http:// where it has to say https://. TLS would only hang up on it.
#pragma once

#include <stdbool.h>

// fd has something to read. True: that was the beginning of a plain HTTP request, the client has
// been told, and fd is closed.
bool plain_http_turn_away(int fd);
