// A port of the loopback interface for a server that a test starts.
#pragma once

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

// Below the ports that the kernel gives to clients: what is free now is still free when the server
// takes it, however many tests run beside this one.
static inline uint16_t rig_free_port(void)
{
    for (;;) {
        uint16_t port;
        if (getrandom(&port, sizeof port, 0) != sizeof port)
            abort();
        port = (uint16_t)(10000 + port % 22000);
        struct sockaddr_in here = {
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool free = bind(fd, (struct sockaddr *)&here, sizeof here) == 0;
        close(fd);
        if (free)
            return port;
    }
}
