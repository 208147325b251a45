// A real nats-server for tests, with a WebSocket and a TLS listener.
#pragma once

#include <arpa/inet.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "free_port.h"

struct nats_rig {
    pid_t pid;
    uint16_t port, ws_port;
};

static inline int rig_connect(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

// tls: the "tls { ... }" block of both listeners, or NULL for none.
static inline void rig_start(struct nats_rig *rig, const char *dir, const char *tls)
{
    extern char **environ;
    char path[256], config[2048], no_tls[] = "no_tls: true";
    rig->port = rig_free_port();
    rig->ws_port = rig_free_port();
    snprintf(path, sizeof path, "%s/nats-%u.conf", dir, rig->port);
    snprintf(config, sizeof config,
             "listen: \"[::]:%u\"\n%s\nmax_payload: 16777216\nmax_pending: 268435456\n"
             "websocket { listen: \"[::]:%u\"\n%s }\n",
             rig->port, tls ? tls : "", rig->ws_port, tls ? tls : no_tls);
    FILE *file = fopen(path, "w");
    fputs(config, file);
    fclose(file);
    char *argv[] = {"nats-server", "-c", path, "-l", "/dev/null", NULL};
    if (posix_spawnp(&rig->pid, "nats-server", NULL, NULL, argv, environ) != 0)
        abort();
    for (int i = 0; i < 3000; i++) {
        int one = rig_connect(rig->port), other = rig_connect(rig->ws_port);
        close(one);
        close(other);
        if (one >= 0 && other >= 0)
            return;
        clock_sleep_ms(20);
    }
    abort();
}

static inline void rig_stop(struct nats_rig *rig)
{
    if (rig->pid <= 0)
        return;
    kill(rig->pid, SIGKILL);
    waitpid(rig->pid, NULL, 0);
    rig->pid = 0;
}
