// Whatever git prints: every text of the result is valid UTF-8, and clean means no files.
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "ops/git_status.h"

static void check(const char *text)
{
    assert(utf8_valid(text, strlen(text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    // The first byte chooses how much memory there is.
    arena_init(&arena, size > 0 && data[0] < 64 ? (size_t)data[0] * 64 : 4 << 20);
    Og__GitStatus *status = git_status_parse(&arena, (const char *)data, size);
    if (status) {
        check(status->branch);
        check(status->upstream);
        assert(status->ahead >= 0 && status->behind >= 0);
        assert(status->clean == (status->n_files == 0));
        for (size_t i = 0; i < status->n_files; i++) {
            check(status->files[i]->path);
            check(status->files[i]->code);
        }
    }
    arena_fini(&arena);
    return 0;
}
