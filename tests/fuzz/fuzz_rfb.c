// Whatever a VNC viewer sends: the session ends with it, nothing of a viewer that may only look
// becomes input, and the rest is within its bounds. The screen is a picture that changes once. The
// first byte chooses: bit 0, the viewer may use keyboard and pointer; bit 1, its bytes begin behind
// the handshake.
#include <assert.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "desktop_x11/capture.h"
#include "desktop_x11/inject.h"
#include "desktop_x11/input_queue.h"
#include "desktop_x11/rfb.h"
#include "desktop_x11/screen.h"

enum { WIDTH = 64, HEIGHT = 64, HANDSHAKE_SIZE = 14 };

// These stand for the screen and the input of the desktop process, which need an X server.
struct frame_memory {
    struct pixels pixels;
};
struct screen {
    uint64_t version, strips[HEIGHT / STRIP_ROWS];
};
struct input_source {
    unsigned posted;
};

static uint32_t image[WIDTH * HEIGHT];
static struct frame_memory memory = {.pixels = {.format = {.red_mask = 0xff0000,
                                                           .green_mask = 0xff00,
                                                           .blue_mask = 0xff,
                                                           .bits_per_pixel = 32},
                                                .width = WIDTH,
                                                .height = HEIGHT,
                                                .stride = WIDTH * sizeof *image,
                                                .data = (const unsigned char *)image}};

struct frame_memory *frame_memory_ref(struct frame_memory *one)
{
    return one;
}

void frame_memory_unref(struct frame_memory *one)
{
    (void)one;
}

const struct pixels *frame_memory_pixels(const struct frame_memory *one)
{
    return &one->pixels;
}

struct frame_memory *screen_memory(const struct screen *screen)
{
    (void)screen;
    return &memory;
}

const uint64_t *screen_strip_versions(const struct screen *screen)
{
    return screen->strips;
}

uint64_t screen_version(const struct screen *screen)
{
    return screen->version;
}

const struct cursor_image *screen_cursor(const struct screen *screen, int *hot_x, int *hot_y)
{
    (void)screen, (void)hot_x, (void)hot_y;
    return NULL;
}

void input_source_post(struct input_source *source, const struct desktop_input *input,
                       const char *text)
{
    assert(source && !text);
    assert(input->kind == INJECT_BUTTONS || input->kind == INJECT_SYMBOL);
    if (input->kind == INJECT_BUTTONS) // 16 bits each in the message, RFC 6143, 7.5.5
        assert(input->x >= 0 && input->x <= UINT16_MAX && input->y >= 0 && input->y <= UINT16_MAX &&
               input->button < 0x80);
    else
        assert(input->action == DESKTOP_KEY_DOWN || input->action == DESKTOP_KEY_UP);
    source->posted++;
}

// Reads what comes until the session has ended. It has to, once it has seen the end of the bytes:
// its caller, not the socket, tells the viewer.
static void drain(const struct rfb *rfb, int peer)
{
    char data[4096];
    struct pollfd ready = {peer, POLLIN, 0};
    for (int idle = 0; !rfb_ended(rfb);) {
        if (poll(&ready, 1, 1) == 0)
            assert(++idle < 8000);
        else if (read(peer, data, sizeof data) <= 0)
            return;
    }
}

static void send_all(int peer, const void *data, size_t size)
{
    if (size > 0 && send(peer, data, size, MSG_NOSIGNAL) < 0)
        return; // it has hung up already
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char handshake[HANDSHAKE_SIZE + 1] = "RFB 003.008\n\1\1";
    if (size == 0)
        return 0;
    struct input_source source = {0};
    struct screen screen = {.version = 1, .strips = {1, 1}};
    struct fail why;
    int peer;
    struct rfb *rfb = rfb_new(&screen, data[0] & 1 ? &source : NULL, &peer, &why);
    assert(rfb);
    if (data[0] & 2)
        send_all(peer, handshake, HANDSHAKE_SIZE);
    send_all(peer, data + 1, size - 1);
    screen = (struct screen){.version = 2, .strips = {1, 2}};
    rfb_update(rfb, &screen);
    shutdown(peer, SHUT_WR);
    drain(rfb, peer);
    rfb_free(rfb);
    close(peer);
    assert(data[0] & 1 || source.posted == 0);
    return 0;
}
