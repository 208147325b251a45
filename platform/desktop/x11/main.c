// opengeni-agent-desktop: started by the daemon when a desktop is needed, never by a person.
#include <X11/Xlib.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "desktop_protocol/protocol.h"
#include "desktop_x11/serve.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("opengeni-agent-desktop " OG_VERSION);
        return 0;
    }
    int64_t idle_ms = argc == 3 ? strtoll(argv[2], NULL, 10) : 0;
    if (idle_ms <= 0 || strcmp(argv[1], "--serve") != 0 || fcntl(DESKTOP_HELD_FD, F_GETFD) < 0) {
        fputs("opengeni-agent-desktop is part of opengeni-agent, which starts it when needed.\n",
              stderr);
        return 2;
    }
    // Else the first picture that is freed makes glibc keep the room of all later ones.
    mallopt(M_MMAP_THRESHOLD, DESKTOP_HEAP_BYTES_MAX);
    log_init();
    signal(SIGPIPE, SIG_IGN);
    for (int fd = DESKTOP_VIEW_FD; fd <= DESKTOP_HELD_FD; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    XInitThreads();
    return serve(DESKTOP_VIEW_FD, DESKTOP_INPUT_FD, DESKTOP_HELD_FD, idle_ms);
}
