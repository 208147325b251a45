#include "cli/enroll_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "cli/say.h"

// The first line of what a descriptor gives.
static char *read_line(int fd)
{
    struct buffer text;
    buffer_init(&text, ENROLL_TOKEN_BYTES_MAX);
    char *line = NULL;
    // One byte at a time: what follows the line is not ours.
    for (char c; read(fd, &c, 1) == 1 && c != '\n';)
        if (!buffer_append(&text, &c, 1))
            break;
    if (text.size)
        line = mem_printf("%.*s", (int)strcspn(text.data, "\r"), text.data);
    if (text.data)
        explicit_bzero(text.data, text.size);
    buffer_fini(&text);
    return line;
}

static bool check(char **token, const char *from)
{
    bool good = *token && **token && strlen(*token) < ENROLL_TOKEN_BYTES_MAX;
    for (const char *c = good ? *token : ""; *c && good; c++)
        good = *c > ' ' && *c <= '~';
    if (good)
        return true;
    say_error("%s has no enrolment token", from);
    mem_free_secret(*token);
    *token = NULL;
    return false;
}

bool enroll_token_read(const char *option, const char *file, const char *environment, char **token)
{
    *token = NULL;
    if (option && file) {
        say_error("--token and --token-file exclude each other");
        return false;
    }
    if ((option && strcmp(option, "-") == 0) || (file && strcmp(file, "-") == 0)) {
        *token = read_line(STDIN_FILENO);
        return check(token, "standard input");
    }
    if (file) {
        int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
            say_error("cannot read %s: %s", file, strerrordesc_np(errno));
            return false;
        }
        *token = read_line(fd);
        close(fd);
        return check(token, file);
    }
    if (!option && !environment)
        return true;
    *token = mem_string(option ? option : environment);
    return check(token, option ? "--token" : "OPENGENI_ENROLL_TOKEN");
}
