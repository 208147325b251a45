#include "files/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "files/sha256.h"

bool digest_descriptor(int fd, char hex[DIGEST_HEX_BYTES])
{
    unsigned char chunk[32768], digest[SHA256_BYTES];
    struct sha256 hash;
    sha256_init(&hash);
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        sha256_add(&hash, chunk, (size_t)n);
    }
    sha256_end(&hash, digest);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return true;
}

void digest_self(char hex[DIGEST_HEX_BYTES])
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !digest_descriptor(fd, hex))
        hex[0] = '\0';
    if (fd >= 0)
        close(fd);
}
