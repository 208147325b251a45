#include "desktop_x11/rfb.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <rfb/rfb.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "desktop_x11/capture.h"
#include "desktop_x11/inject.h"
#include "desktop_x11/input_queue.h"
#include "desktop_x11/screen.h"

enum {
    SEND_MS = 5000, // a viewer that does not read for this long is gone
};

struct rfb {
    pthread_t thread;
    int socket;     // libvncserver's as soon as the thread runs
    int hang_up_fd; // another descriptor of it
    int wake_fd;
    struct input_source *source;
    atomic_bool ended, ending;

    // What the thread has not told the viewer yet; under the lock.
    pthread_mutex_t lock;
    struct frame_memory *memory; // the present one
    bool renewed;
    uint64_t seen;       // version of the screen
    bool *dirty;         // strips
    rfbCursorPtr cursor; // a new image
    uint32_t cursor_serial;
    int pointer_x, pointer_y;

    // The thread's:
    struct frame_memory *shown;
    rfbScreenInfoPtr server;
    rfbClientPtr client;
    rfbCursorPtr image; // the last one; the server's while the viewer draws it itself
};

static void signal_fd(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) < 0)
        return; // it is readable already
}

// --- from the viewer

static void on_pointer(int buttons, int x, int y, rfbClientPtr client)
{
    struct rfb *rfb = client->screen->screenData;
    struct desktop_input input = {
        .kind = INJECT_BUTTONS, .x = x, .y = y, .button = (uint32_t)buttons & 0x7f};
    if (rfb->source)
        input_source_post(rfb->source, &input, NULL);
}

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
    struct rfb *rfb = client->screen->screenData;
    struct desktop_input input = {.kind = INJECT_SYMBOL,
                                  .x = (int32_t)keysym,
                                  .action = down ? DESKTOP_KEY_DOWN : DESKTOP_KEY_UP};
    if (rfb->source)
        input_source_post(rfb->source, &input, NULL);
}

static enum rfbNewClientAction on_client(rfbClientPtr client)
{
    struct rfb *rfb = client->screen->screenData;
    client->viewOnly = rfb->source == NULL;
    return RFB_CLIENT_ACCEPT;
}

// --- the screen

static int shift_of(uint32_t mask)
{
    return mask ? __builtin_ctz(mask) : 0;
}

static void set_format(rfbScreenInfoPtr server, const struct pixels *pixels)
{
    const struct pixel_format *format = &pixels->format;
    rfbPixelFormat *ours = &server->serverFormat;
    server->paddedWidthInBytes = (int)pixels->stride;
    server->bitsPerPixel = server->depth = (int)format->bits_per_pixel;
    ours->bitsPerPixel = (uint8_t)format->bits_per_pixel;
    ours->depth =
        (uint8_t)(__builtin_popcount(format->red_mask) + __builtin_popcount(format->green_mask) +
                  __builtin_popcount(format->blue_mask));
    ours->bigEndian = format->big_endian;
    ours->trueColour = 1;
    ours->redShift = (uint8_t)shift_of(format->red_mask);
    ours->greenShift = (uint8_t)shift_of(format->green_mask);
    ours->blueShift = (uint8_t)shift_of(format->blue_mask);
    ours->redMax = (uint16_t)(format->red_mask >> ours->redShift);
    ours->greenMax = (uint16_t)(format->green_mask >> ours->greenShift);
    ours->blueMax = (uint16_t)(format->blue_mask >> ours->blueShift);
}

// With each new screen libvncserver initialises a lock that all of them share, whoever holds it. So
// all screens that there may be are made before the first one is used, and used again.
static struct {
    rfbScreenInfoPtr server;
    bool taken;
} pool[DESKTOP_RFB_MAX];

static bool fill_pool(void)
{
    enum { SIDE = 8 }; // for now
    for (size_t i = 0; i < DESKTOP_RFB_MAX; i++) {
        if (!pool[i].server)
            pool[i].server = rfbGetScreen(NULL, NULL, SIDE, SIDE, 8, 3, 4);
        if (!pool[i].server)
            return false;
    }
    return true;
}

static rfbScreenInfoPtr take_screen(void)
{
    if (!fill_pool())
        return NULL;
    for (size_t i = 0; i < DESKTOP_RFB_MAX; i++)
        if (!pool[i].taken) {
            pool[i].taken = true;
            return pool[i].server;
        }
    return NULL;
}

// No thread uses it any more.
static void give_screen_back(rfbScreenInfoPtr server)
{
    for (size_t i = 0; i < DESKTOP_RFB_MAX; i++)
        if (pool[i].server == server && server)
            pool[i].taken = false;
}

static bool make_server(struct rfb *rfb)
{
    const struct pixels *pixels = frame_memory_pixels(rfb->shown);
    rfbScreenInfoPtr server = rfb->server = take_screen();
    if (!server)
        return false;
    // The X server writes to it, we read. libvncserver would only write to it to draw a pointer.
    server->cursor = NULL;
    rfbNewFramebuffer(server, (char *)pixels->data, (int)pixels->width, (int)pixels->height, 8, 3,
                      (int)pixels->format.bits_per_pixel / 8);
    set_format(server, pixels);
    server->screenData = rfb;
    server->desktopName = "opengeni";
    server->alwaysShared = TRUE;
    server->deferUpdateTime = 0;
    server->maxClientWait = SEND_MS;
    server->ptrAddEvent = on_pointer;
    server->kbdAddEvent = on_key;
    server->newClientHook = on_client;
    server->permitFileTransfer = FALSE;
    return true;
}

// A screen that gets smaller than what a viewer has had it scaled to makes libvncserver divide by
// zero. The viewer sees the whole size from here on, and may ask for another again.
static void drop_scale(rfbClientPtr client)
{
    if (client->scaledScreen == client->screen)
        return;
    client->scaledScreen->scaledScreenRefCount--;
    client->screen->scaledScreenRefCount++;
    client->scaledScreen = client->screen;
}

static void show_new_memory(struct rfb *rfb, struct frame_memory *memory)
{
    const struct pixels *pixels = frame_memory_pixels(memory);
    drop_scale(rfb->client);
    rfbNewFramebuffer(rfb->server, (char *)pixels->data, (int)pixels->width, (int)pixels->height, 8,
                      3, (int)pixels->format.bits_per_pixel / 8);
    set_format(rfb->server, pixels);
    rfbSetTranslateFunction(rfb->client);
    frame_memory_unref(rfb->shown);
    rfb->shown = memory;
}

static void free_cursor(rfbCursorPtr cursor)
{
    if (!cursor)
        return;
    mem_free(cursor->source);
    mem_free(cursor->mask);
    mem_free(cursor->richSource);
    mem_free(cursor->alphaSource);
    mem_free(cursor);
}

// In our pixels' format; libvncserver translates it for the viewer.
static rfbCursorPtr make_cursor(const struct cursor_image *image, int hot_x, int hot_y,
                                const struct pixel_format *format)
{
    rfbCursorPtr cursor = mem_new(rfbCursor);
    size_t count = (size_t)image->width * image->height, row = (image->width + 7) / 8;
    unsigned bytes = format->bits_per_pixel / 8;
    cursor->width = (uint16_t)image->width;
    cursor->height = (uint16_t)image->height;
    cursor->xhot = (uint16_t)hot_x;
    cursor->yhot = (uint16_t)hot_y;
    cursor->source = mem_array(image->height, row);
    cursor->mask = mem_array(image->height, row);
    cursor->richSource = mem_array(count, bytes);
    for (size_t i = 0; i < count; i++) {
        uint32_t argb = image->argb[i];
        if (argb >> 24 >= 0x80)
            cursor->mask[i / image->width * row + i % image->width / 8] |=
                (unsigned char)(0x80 >> i % image->width % 8);
        const uint32_t masks[3] = {format->red_mask, format->green_mask, format->blue_mask};
        uint32_t pixel = 0;
        for (unsigned k = 0; k < 3; k++) {
            uint32_t max = masks[k] >> shift_of(masks[k]);
            pixel |= (argb >> (16 - 8 * k) & 0xff) * max / 255 << shift_of(masks[k]);
        }
        for (unsigned k = 0; k < bytes; k++)
            cursor->richSource[i * bytes + k] =
                (unsigned char)(pixel >> 8 * (format->big_endian ? bytes - 1 - k : k));
    }
    return cursor;
}

// A viewer that does not draw the pointer itself would have it drawn into the pixels, which are not
// ours alone: it sees none.
static void set_cursor(struct rfb *rfb, rfbCursorPtr image)
{
    bool draws = rfb->client->enableCursorShapeUpdates;
    if (image || (rfb->server->cursor != NULL) != (draws && rfb->image != NULL))
        rfbSetCursor(rfb->server, NULL);
    if (image) {
        free_cursor(rfb->image);
        rfb->image = image;
    }
    if (draws && rfb->image && !rfb->server->cursor)
        rfbSetCursor(rfb->server, rfb->image);
}

// Takes over what rfb_update has left here.
static void take_news(struct rfb *rfb)
{
    pthread_mutex_lock(&rfb->lock);
    struct frame_memory *memory = rfb->renewed ? frame_memory_ref(rfb->memory) : NULL;
    rfbCursorPtr cursor = rfb->cursor;
    rfb->renewed = false;
    rfb->cursor = NULL;
    rfb->server->cursorX = rfb->pointer_x;
    rfb->server->cursorY = rfb->pointer_y;
    const struct pixels *pixels = frame_memory_pixels(memory ? memory : rfb->shown);
    for (unsigned i = 0; i < strip_count(pixels->height); i++) {
        if (!memory && rfb->dirty[i])
            rfbMarkRectAsModified(rfb->server, 0, (int)(i * STRIP_ROWS), (int)pixels->width,
                                  (int)(i * STRIP_ROWS + strip_rows(pixels->height, i)));
        rfb->dirty[i] = false;
    }
    pthread_mutex_unlock(&rfb->lock);
    if (memory)
        show_new_memory(rfb, memory);
    set_cursor(rfb, cursor);
}

// --- the thread

static void *run_thread(void *rfb_)
{
    struct rfb *rfb = rfb_;
    // The socket belongs to the client from here on, even when it is turned down.
    rfb->client = rfbNewClient(rfb->server, rfb->socket);
    while (rfb->client && rfb->client->sock >= 0 && !atomic_load(&rfb->ending)) {
        struct pollfd fds[] = {{rfb->client->sock, POLLIN, 0}, {rfb->wake_fd, POLLIN, 0}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        uint64_t count;
        if (fds[1].revents && read(rfb->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
            break;
        if (rfbCheckFds(rfb->server, 0) < 0)
            break;
        if (rfb->client->sock < 0 || atomic_load(&rfb->ending))
            break;
        take_news(rfb);
        rfbUpdateClient(rfb->client);
    }
    if (rfb->client) {
        rfbCloseClient(rfb->client);
        rfbClientConnectionGone(rfb->client);
    }
    rfb->server->cursor = NULL;
    rfb->server->frameBuffer = NULL;
    atomic_store(&rfb->ended, true);
    return NULL;
}

static void drop(struct rfb *rfb)
{
    give_screen_back(rfb->server);
    frame_memory_unref(rfb->memory);
    frame_memory_unref(rfb->shown);
    free_cursor(rfb->cursor);
    free_cursor(rfb->image);
    io_close(&rfb->wake_fd);
    io_close(&rfb->hang_up_fd);
    pthread_mutex_destroy(&rfb->lock);
    mem_free(rfb->dirty);
    mem_free(rfb);
}

struct rfb *rfb_new(const struct screen *screen, struct input_source *source, int *peer,
                    struct fail *why)
{
    int pair[2];
    rfbLogEnable(FALSE);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        fail_errno(why, errno, "socketpair", NULL);
        return NULL;
    }
    struct rfb *rfb = mem_new(struct rfb);
    rfb->socket = pair[0];
    rfb->hang_up_fd = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    rfb->source = source;
    rfb->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rfb->memory = frame_memory_ref(screen_memory(screen));
    rfb->shown = frame_memory_ref(rfb->memory);
    rfb->dirty = mem_array(strip_count(frame_memory_pixels(rfb->memory)->height), sizeof(bool));
    rfb->seen = screen_version(screen);
    rfb->cursor_serial = UINT32_MAX;
    pthread_mutex_init(&rfb->lock, NULL);
    if (!make_server(rfb)) {
        fail_because(why, FAIL_SYSTEM, "no memory for a viewer");
        goto failed;
    }
    rfb_update(rfb, screen);
    int error = pthread_create(&rfb->thread, NULL, run_thread, rfb);
    if (error == 0) {
        *peer = pair[1];
        return rfb;
    }
    fail_errno(why, error, "thread", NULL);
failed:
    close(pair[0]);
    close(pair[1]);
    drop(rfb);
    return NULL;
}

void rfb_free(struct rfb *rfb)
{
    if (!rfb)
        return;
    atomic_store(&rfb->ending, true);
    shutdown(rfb->hang_up_fd, SHUT_RDWR); // whatever it waits for ends now
    signal_fd(rfb->wake_fd);
    pthread_join(rfb->thread, NULL);
    drop(rfb);
}

void rfb_update(struct rfb *rfb, const struct screen *screen)
{
    struct frame_memory *memory = screen_memory(screen);
    unsigned count = strip_count(frame_memory_pixels(memory)->height);
    const uint64_t *versions = screen_strip_versions(screen);
    int hot_x, hot_y;
    const struct cursor_image *image = screen_cursor(screen, &hot_x, &hot_y);
    pthread_mutex_lock(&rfb->lock);
    if (memory != rfb->memory) {
        frame_memory_unref(rfb->memory);
        rfb->memory = frame_memory_ref(memory);
        rfb->renewed = true;
        mem_free(rfb->dirty);
        rfb->dirty = mem_array(count, sizeof *rfb->dirty);
    }
    for (unsigned i = 0; i < count; i++)
        rfb->dirty[i] |= versions[i] > rfb->seen;
    rfb->seen = screen_version(screen);
    if (image && image->serial != rfb->cursor_serial) {
        rfb->cursor_serial = image->serial;
        free_cursor(rfb->cursor);
        rfb->cursor = make_cursor(image, hot_x, hot_y, &frame_memory_pixels(memory)->format);
    }
    if (image) {
        rfb->pointer_x = image->x + hot_x;
        rfb->pointer_y = image->y + hot_y;
    }
    pthread_mutex_unlock(&rfb->lock);
    signal_fd(rfb->wake_fd);
}

bool rfb_ended(const struct rfb *rfb)
{
    return atomic_load(&rfb->ended);
}
