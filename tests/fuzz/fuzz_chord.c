// Whatever a control plane names as keys to press: either keys that exist, or a failure that names
// the trouble in valid text.
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "desktop_x11/chord.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chord chord;
    struct fail why = {0};
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    if (chord_parse(text, &chord, &why)) {
        assert(chord.count > 0 && chord.count <= DESKTOP_KEY_TOKENS_MAX);
        assert(size <= DESKTOP_KEY_BYTES_MAX || strlen(text) <= DESKTOP_KEY_BYTES_MAX);
        for (size_t i = 0; i < chord.count; i++)
            assert(chord.keys[i].keysym != NoSymbol);
    } else {
        assert(why.kind == FAIL_UNSUPPORTED && why.what[0]);
    }
    free(text);
    return 0;
}
