// Preloaded, it makes a program hold 1 GiB from its start on.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BALLAST_BYTES (1ull << 30)

__attribute__((constructor)) static void load(void)
{
    void *memory =
        mmap(NULL, BALLAST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
        memset(memory, 1, BALLAST_BYTES);
    unsetenv("LD_PRELOAD"); // not for its children
}
