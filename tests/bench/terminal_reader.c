// What tests/bench/terminals measures with: takes a program's output as fast as it can, from a bare
// pseudo-terminal or as the viewer of a relay channel that somebody else has opened.
//
//     terminal_reader pty|relay DESCRIPTOR COUNT
//
// Prints the microseconds from the first x to the one that makes COUNT. Frames that are missing,
// and more or less than whole messages, are an error.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "relay/datagram.h"

enum { ROOM = 1 << 20, READ_BYTES = 1 << 18, PTY_BYTES = 1 << 16 };

static int fd;
static size_t wanted, seen;
static double began;

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void die(const char *what)
{
    fprintf(stderr, "terminal_reader: %s\n", what);
    exit(1);
}

static void count(const char *data, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += data[i] == 'x';
    if (n > 0 && seen == 0)
        began = now_us();
    seen += n;
}

static size_t take(char *room, size_t size)
{
    ssize_t n;
    do
        n = read(fd, room, size);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        die("the output ended early");
    return (size_t)n;
}

static void drain_pty(void)
{
    static char room[PTY_BYTES];
    while (seen < wanted)
        count(room, take(room, sizeof room));
}

static void take_message(const char *message, size_t size)
{
    static uint64_t next;
    struct datagram datagram;
    if (!datagram_decode(message, size, &datagram))
        die("a message that is none");
    if (datagram.tag != DATAGRAM_FRAME)
        die("the channel was closed");
    if (datagram.seq != next++)
        die("a frame is missing, or came twice");
    count(datagram.data.data, datagram.data.size);
}

// The size of the WebSocket frame at data and of its head (RFC 6455 5.2); 0: not all of it is here.
static size_t whole_frame(const unsigned char *data, size_t size, size_t *head)
{
    if (size < 2)
        return 0;
    size_t digits = data[1] == 127 ? 8 : data[1] == 126 ? 2 : 0, body = data[1];
    *head = 2 + digits;
    if (size < *head)
        return 0;
    if (digits)
        body = 0;
    for (size_t i = 0; i < digits; i++)
        body = body << 8 | data[2 + i];
    if (data[0] != 0x82 || *head + body > ROOM)
        die("something else than a binary message");
    return size >= *head + body ? *head + body : 0;
}

static void drain_relay(void)
{
    static char room[ROOM + READ_BYTES];
    size_t have = 0, at = 0;
    while (seen < wanted) {
        size_t head, size;
        have += take(room + have, READ_BYTES);
        for (at = 0; (size = whole_frame((unsigned char *)room + at, have - at, &head)); at += size)
            take_message(room + at + head, size - head);
        memmove(room, room + at, have - at);
        have -= at;
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("pty|relay DESCRIPTOR COUNT");
    bool relay = strcmp(argv[1], "relay") == 0;
    fd = (int)strtol(argv[2], NULL, 10);
    wanted = strtoul(argv[3], NULL, 10);
    relay ? drain_relay() : drain_pty();
    if (seen != wanted)
        die("more came than was written");
    printf("%.0f\n", now_us() - began);
    return 0;
}
