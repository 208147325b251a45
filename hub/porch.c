#include "hub/porch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/limits.h"

enum { EVENTS_AT_ONCE = 64, LISTENER = HUB_PORCH_MAX };

struct porch {
    struct porch_setup setup;
    int epoll, listener;
    bool deaf; // there was no descriptor for a guest: nobody is let in until the next tick
    struct {
        int fd; // -1: free
        int64_t since_ms;
    } guests[HUB_PORCH_MAX];
};

static bool listen_for(struct porch *porch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = LISTENER};
    porch->deaf = !events;
    return epoll_ctl(porch->epoll, EPOLL_CTL_MOD, porch->listener, &event) == 0;
}

static int open_socket(const struct sockaddr *address, socklen_t size)
{
    const int yes = 1, no = 0;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(fd, address, size) == 0 && listen(fd, HUB_PORCH_BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_listener(const char *address, int port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
        return open_socket((struct sockaddr *)&four, sizeof four);
    if (inet_pton(AF_INET6, address, &six.sin6_addr) == 1)
        return open_socket((struct sockaddr *)&six, sizeof six);
    six.sin6_addr = in6addr_any; // takes IPv4 too, where there is IPv6 at all
    int fd = open_socket((struct sockaddr *)&six, sizeof six);
    return fd >= 0 || errno == EADDRINUSE ? fd : open_socket((struct sockaddr *)&four, sizeof four);
}

struct porch *porch_new(const struct porch_setup *setup, struct fail *why)
{
    struct porch *porch = mem_new(struct porch);
    porch->setup = *setup;
    assert(setup->places > 0 && setup->places <= HUB_PORCH_MAX);
    for (size_t i = 0; i < HUB_PORCH_MAX; i++)
        porch->guests[i].fd = -1;
    porch->epoll = epoll_create1(EPOLL_CLOEXEC);
    porch->listener = open_listener(setup->address, setup->port);
    int error = errno;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = LISTENER};
    if (porch->epoll >= 0 && porch->listener >= 0 &&
        epoll_ctl(porch->epoll, EPOLL_CTL_ADD, porch->listener, &event) == 0)
        return porch;
    fail_because(why, FAIL_SYSTEM, "cannot listen on %s port %d: %s",
                 *setup->address ? setup->address : "any address", setup->port, strerror(error));
    porch_free(porch);
    return NULL;
}

void porch_free(struct porch *porch)
{
    if (!porch)
        return;
    for (size_t i = 0; i < HUB_PORCH_MAX; i++)
        io_close(&porch->guests[i].fd);
    io_close(&porch->listener);
    io_close(&porch->epoll);
    mem_free(porch);
}

int porch_fd(const struct porch *porch)
{
    return porch->epoll;
}

// A free place, or that of the one that has waited longest.
static uint32_t place(struct porch *porch)
{
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < porch->setup.places; i++) {
        if (porch->guests[i].fd < 0)
            return i;
        if (porch->guests[i].since_ms < porch->guests[oldest].since_ms)
            oldest = i;
    }
    io_close(&porch->guests[oldest].fd);
    return oldest;
}

static void welcome(struct porch *porch, int64_t now_ms)
{
    const int yes = 1;
    for (int i = 0; i < EVENTS_AT_ONCE; i++) {
        int fd = accept4(porch->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            (void)!listen_for(porch, 0); // it stays readable, and would be asked again at once
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        uint32_t at = place(porch);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = at};
        if (epoll_ctl(porch->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            close(fd);
            continue;
        }
        porch->guests[at].fd = fd;
        porch->guests[at].since_ms = now_ms;
    }
}

void porch_run(struct porch *porch, int64_t now_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(porch->epoll, events, EVENTS_AT_ONCE, 0);
    // Those who have something to say come in first: their places are then free.
    for (int i = 0; i < count; i++) {
        uint32_t at = events[i].data.u32;
        if (at == LISTENER || porch->guests[at].fd < 0)
            continue;
        int fd = porch->guests[at].fd;
        porch->guests[at].fd = -1;
        epoll_ctl(porch->epoll, EPOLL_CTL_DEL, fd, NULL);
        porch->setup.admit(porch->setup.context, fd);
    }
    for (int i = 0; i < count; i++)
        if (events[i].data.u32 == LISTENER)
            welcome(porch, now_ms);
}

void porch_tick(struct porch *porch, int64_t now_ms)
{
    if (porch->deaf)
        (void)!listen_for(porch, EPOLLIN);
    for (size_t i = 0; i < HUB_PORCH_MAX; i++)
        if (porch->guests[i].fd >= 0 && now_ms - porch->guests[i].since_ms >= HUB_PORCH_MS)
            io_close(&porch->guests[i].fd);
}
