// The first line of a NATS server, made fit for a client that already is inside TLS: the server
// says that TLS is required, and the client would start it a second time.
#pragma once

#include <stddef.h>

#include "base/fail.h"

struct buffer;

enum info_rewrite {
    INFO_INCOMPLETE, // more bytes are needed
    INFO_REWRITTEN,  // *used bytes of the input are replaced by what was appended to out
    INFO_INVALID,    // *why says what is wrong
};

// data: everything received so far. Only tls_required and tls_available change, to false; the line
// that comes out ends in CRLF and has at most TUNNEL_INFO_BYTES_MAX bytes, as the one that goes in.
enum info_rewrite info_rewrite(const char *data, size_t size, struct buffer *out, size_t *used,
                               struct fail *why);
