// The machine's identity: an Ed25519 key made once per configuration directory. The control plane
// knows the machine by its public half, so connecting again updates the same machine.
#pragma once

#include "config/secure_dir.h"

enum { IDENTITY_SEED_BYTES = 32, IDENTITY_TEXT_BYTES = 44 };

// The public key in base64 without padding. A missing identity is made; when two processes do so at
// once, both get the one that came first. A malformed one is refused and never replaced.
bool identity_public_key(const struct secure_dir *config, char text[IDENTITY_TEXT_BYTES],
                         struct fail *why) __attribute__((warn_unused_result));

// The public key of a seed.
bool identity_derive(const unsigned char seed[IDENTITY_SEED_BYTES], char text[IDENTITY_TEXT_BYTES],
                     struct fail *why) __attribute__((warn_unused_result));

// Whether the directory has come to another machine since the identity was made, as with a cloned
// disk: two machines with one identity evict each other. Remembers /etc/machine-id (hashed) the
// first time it is asked; false when either is unreadable.
bool identity_moved(const struct secure_dir *config);
