// Any bytes as a signature file and as a public key: parsed or refused with a reason, and a comment
// that lies within the text. Nothing verifies against a key that nobody has.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "update/minisign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fail why = {.kind = FAIL_NONE};
    struct minisign parsed;
    struct minisign_key key;
    const char *text = (const char *)data;
    if (minisign_key_parse(text, size, &key, &why))
        require(!minisign_check_data(&key, "x", 1, text, size, &why));
    else
        require(*why.what);
    why.what[0] = '\0';
    if (!minisign_parse(text, size, &parsed, &why)) {
        require(*why.what);
        return 0;
    }
    require(parsed.comment >= text && parsed.comment + parsed.comment_size <= text + size);
    require(!memchr(parsed.comment, '\n', parsed.comment_size));
    memcpy(key.id, parsed.id, sizeof key.id);
    memset(key.key, 7, sizeof key.key);
    require(!minisign_check_data(&key, data, size, text, size, &why) && *why.what);
    return 0;
}
