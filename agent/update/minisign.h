// Signatures in the format of minisign (https://jedisct1.github.io/minisign/, "signature format"),
// of its prehashed kind: Ed25519 over the BLAKE2b-512 digest of a file, and a second signature over
// the first one and a comment. The older kind, over the file itself, is refused.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"

enum {
    MINISIGN_ID_BYTES = 8,
    MINISIGN_KEY_BYTES = 32,
    MINISIGN_SIGNATURE_BYTES = 64,
    MINISIGN_DIGEST_BYTES = 64, // BLAKE2b-512
};

struct minisign_key {
    unsigned char id[MINISIGN_ID_BYTES]; // tells which key it is, nothing more
    unsigned char key[MINISIGN_KEY_BYTES];
};

struct minisign {
    unsigned char id[MINISIGN_ID_BYTES];
    unsigned char signature[MINISIGN_SIGNATURE_BYTES];
    unsigned char global[MINISIGN_SIGNATURE_BYTES]; // over signature and comment
    const char *comment;                            // the trusted one; inside the text it came from
    size_t comment_size;
};

// A public key: one line of base64, or that after a line "untrusted comment: ...".
bool minisign_key_parse(const char *text, size_t size, struct minisign_key *key, struct fail *why)
    __attribute__((warn_unused_result));

// A signature file; lines end in LF or CRLF, and what follows the fourth is ignored. The text has
// to live as long as *out.
bool minisign_parse(const char *text, size_t size, struct minisign *out, struct fail *why)
    __attribute__((warn_unused_result));

// Whether the key made the signature over a file with this digest, and over its comment.
bool minisign_check(const struct minisign_key *key, const struct minisign *signature,
                    const unsigned char digest[MINISIGN_DIGEST_BYTES], struct fail *why)
    __attribute__((warn_unused_result));

// The same for a file in memory and the text of its signature file.
bool minisign_check_data(const struct minisign_key *key, const void *data, size_t size,
                         const char *signature, size_t signature_size, struct fail *why)
    __attribute__((warn_unused_result));
