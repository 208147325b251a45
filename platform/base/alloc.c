#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *memory)
{
    if (!memory) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *mem_array(size_t count, size_t size)
{
    return or_abort(calloc(count ? count : 1, size ? size : 1));
}

void *mem_resize(void *old, size_t size)
{
    return or_abort(realloc(old, size ? size : 1));
}

void *mem_copy(const void *data, size_t size)
{
    void *copy = mem_array(1, size);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

char *mem_string(const char *text)
{
    return mem_copy(text, strlen(text) + 1);
}

char *mem_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    return or_abort(n < 0 ? NULL : text);
}

void mem_free(void *memory)
{
    free(memory);
}

void mem_free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}
