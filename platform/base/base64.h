// Base64 (RFC 4648). Decoding is strict: no white space, no foreign characters, no stray bits.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum base64_alphabet { BASE64_STANDARD, BASE64_URL };

// Bytes of the text that size bytes make without padding, the NUL included.
#define BASE64_TEXT_BYTES(size) (((size)*4 + 2) / 3 + 1)

// Writes BASE64_TEXT_BYTES(size) bytes, without padding.
void base64_encode(enum base64_alphabet alphabet, const void *data, size_t size, char *text);

// The padding of the last group may be missing. out has room for size * 3 / 4 bytes. False when
// the text is no base64.
bool base64_decode(enum base64_alphabet alphabet, const char *text, size_t size, void *out,
                   size_t *out_size) __attribute__((warn_unused_result));
