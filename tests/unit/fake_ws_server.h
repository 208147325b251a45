// A WebSocket server for tests that does what the test says, byte by byte.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_server {
    int listener;
    uint16_t port;
    pthread_t thread;
    void (*serve)(int fd, void *argument); // one connection after the other
    void *argument;
};

static inline bool fake_write(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = send(fd, (const char *)data + done, size - done, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static inline bool fake_read(int fd, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = recv(fd, (char *)data + done, size - done, 0);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

// Reads the request into head and answers 101.
static inline bool fake_upgrade(int fd, char *head, size_t room)
{
    size_t n = 0;
    while (n + 1 < room && !(n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0))
        if (!fake_read(fd, head + n++, 1))
            return false;
    head[n] = '\0';
    const char *key = strcasestr(head, "sec-websocket-key: ");
    if (!key)
        return false;
    char joined[128], answer[256];
    unsigned char digest[SHA_DIGEST_LENGTH], text[64];
    snprintf(joined, sizeof joined, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    SHA1((unsigned char *)joined, strlen(joined), digest);
    EVP_EncodeBlock(text, digest, sizeof digest);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n",
             text);
    return fake_write(fd, answer, strlen(answer));
}

// One frame as the server sends it, in out; returns its size. out has room for 14 bytes more.
static inline size_t fake_frame(unsigned first, const void *data, size_t size, unsigned char *out)
{
    size_t n = 0;
    out[n++] = (unsigned char)first;
    if (size < 126) {
        out[n++] = (unsigned char)size;
    } else if (size < 65536) {
        out[n++] = 126;
        out[n++] = (unsigned char)(size >> 8);
        out[n++] = (unsigned char)size;
    } else {
        out[n++] = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            out[n++] = (unsigned char)(size >> shift);
    }
    memcpy(out + n, data, size);
    return n + size;
}

enum {
    FAKE_TEXT = 0x81,
    FAKE_BINARY = 0x82,
    FAKE_CLOSE = 0x88,
    FAKE_PING = 0x89,
    FAKE_PONG = 0x8a
};

__attribute__((noinline, unused)) static bool fake_send(int fd, unsigned first, const void *data,
                                                        size_t size)
{
    unsigned char *frame = malloc(size + 14);
    bool good = fake_write(fd, frame, fake_frame(first, data, size, frame));
    free(frame);
    return good;
}

// One frame of the client: its first byte, 0 at the end of the connection. *data is to be freed.
static inline unsigned fake_receive(int fd, unsigned char **data, size_t *size)
{
    unsigned char head[14];
    *data = NULL;
    if (!fake_read(fd, head, 2))
        return 0;
    uint64_t length = head[1] & 0x7f;
    size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (!fake_read(fd, head + 2, more + 4) || !(head[1] & 0x80))
        return 0;
    if (more > 0)
        length = 0;
    for (size_t i = 0; i < more; i++)
        length = length << 8 | head[2 + i];
    *data = malloc(length + 1);
    *size = length;
    if (!fake_read(fd, *data, length))
        return 0;
    for (size_t i = 0; i < length; i++)
        (*data)[i] ^= head[2 + more + i % 4];
    (*data)[length] = '\0';
    return head[0];
}

static inline void *fake_main(void *server_)
{
    struct fake_server *server = server_;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        server->serve(fd, server->argument);
        close(fd);
    }
}

static inline void fake_start(struct fake_server *server, void (*serve)(int, void *),
                              void *argument)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof here;
    server->serve = serve;
    server->argument = argument;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&here, size) != 0 ||
        listen(server->listener, 64) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&here, &size) != 0)
        abort();
    server->port = ntohs(here.sin_port);
    pthread_create(&server->thread, NULL, fake_main, server);
}

static inline void fake_stop(struct fake_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}
