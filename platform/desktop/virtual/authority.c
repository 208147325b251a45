#include "desktop_virtual/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/random.h"

static const char method[] = "MIT-MAGIC-COOKIE-1";

enum {
    COOKIE_BYTES = 16,
    FAMILY_WILD = 0xffff, // any host (Xau(3)): the file is for one screen of this one
    RECORD_BYTES = 2 + 2 + 2 + 2 + sizeof method - 1 + 2 + COOKIE_BYTES,
};

static size_t put_text(uint8_t *at, const void *text, size_t size)
{
    at[0] = (uint8_t)(size >> 8);
    at[1] = (uint8_t)size;
    memcpy(at + 2, text, size);
    return 2 + size;
}

// Family, address, display number, method, cookie; each text counted by two bytes (Xau(3)).
static void make_record(uint8_t record[RECORD_BYTES])
{
    uint8_t cookie[COOKIE_BYTES];
    random_bytes(cookie, sizeof cookie);
    record[0] = FAMILY_WILD >> 8;
    record[1] = FAMILY_WILD & 0xff;
    size_t n = 2;
    n += put_text(record + n, "", 0);
    n += put_text(record + n, "", 0);
    n += put_text(record + n, method, sizeof method - 1);
    put_text(record + n, cookie, sizeof cookie);
}

bool authority_write(const char *path, struct fail *why)
{
    uint8_t record[RECORD_BYTES];
    make_record(record);
    char *temporary = mem_printf("%s.new", path);
    unlink(temporary); // of an agent that was killed here
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool done = fd >= 0 && io_write_all(fd, record, sizeof record) && rename(temporary, path) == 0;
    if (!done) {
        fail_errno(why, errno, "write", path);
        unlink(temporary);
    }
    io_close(&fd);
    mem_free(temporary);
    return done;
}
