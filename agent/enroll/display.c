#include "enroll/display.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// ":1", ":1.0" and "unix:1" are local; a host before the colon is not.
static bool parse_number(const char *display, unsigned *number)
{
    if (strncmp(display, "unix:", 5) == 0)
        display += 4;
    return display[0] == ':' && sscanf(display + 1, "%4u", number) == 1;
}

bool display_is_there(void)
{
    const char *display = getenv("DISPLAY");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned number;
    if (!parse_number(display && *display ? display : ":0", &number))
        return false;
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/.X11-unix/X%u", number);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool there = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return there;
}
