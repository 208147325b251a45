// Which program is this: the SHA-256 of a file.
#pragma once

#include <stdbool.h>

enum { DIGEST_HEX_BYTES = 65 };

// Lower-case hex of everything from where the descriptor stands. False leaves errno set.
bool digest_descriptor(int fd, char hex[DIGEST_HEX_BYTES]) __attribute__((warn_unused_result));

// Of the running program, also when its file has been replaced; "" when it cannot be read.
void digest_self(char hex[DIGEST_HEX_BYTES]);
