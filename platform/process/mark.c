#include "process/mark.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/random.h"

#define MARK_NAME "OPENGENI_OPERATION="

enum { NAME_SIZE = sizeof MARK_NAME - 1, HALF_SIZE = 16 };

static uint64_t agent_number;

static void choose(void)
{
    random_bytes(&agent_number, sizeof agent_number);
}

void mark_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
}

void mark_make(uint64_t number, char mark[MARK_BYTES])
{
    mark_begin();
    snprintf(mark, MARK_BYTES, MARK_NAME "%016llx%016llx", (unsigned long long)agent_number,
             (unsigned long long)number);
}

// The number behind a whole "\0OPENGENI_OPERATION=<ours><number>\0" in the text.
static uint64_t find(const char *text, size_t size)
{
    char start[1 + MARK_BYTES]; // a NUL, then a mark
    start[0] = '\0';
    mark_make(0, start + 1);
    const char *end = text + size;
    for (const char *at = text;; at++) {
        at = memmem(at, (size_t)(end - at), start, 1 + NAME_SIZE + HALF_SIZE);
        if (!at || end - at < 1 + MARK_BYTES)
            return 0;
        char *stop;
        const char *digits = at + 1 + NAME_SIZE + HALF_SIZE;
        if (digits[HALF_SIZE] != '\0') // or reading the number would not end there
            continue;
        unsigned long long number = strtoull(digits, &stop, 16);
        if (stop == digits + HALF_SIZE)
            return number;
    }
}

uint64_t mark_of(int proc, pid_t pid)
{
    char path[32], text[1 + MARK_BYTES + MARK_CHUNK_BYTES];
    snprintf(path, sizeof path, "%d/environ", (int)pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    uint64_t number = 0;
    size_t kept = 1; // the first variable has no NUL before it
    text[0] = '\0';
    for (ssize_t n; number == 0 && (n = read(fd, text + kept, MARK_CHUNK_BYTES)) > 0;) {
        size_t size = kept + (size_t)n;
        number = find(text, size);
        // A mark may lie across two chunks.
        kept = size < 1 + MARK_BYTES ? size : 1 + MARK_BYTES;
        memmove(text, text + size - kept, kept);
    }
    close(fd);
    return number;
}
