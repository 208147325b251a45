#include "base/secret.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *secret_alloc(size_t size)
{
    return malloc(size);
}

void secret_free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void secret_wipe(char *text)
{
    explicit_bzero(text, strlen(text));
}
