#include <X11/cursorfont.h>
#include <X11/extensions/Xrandr.h>
#include <X11/keysym.h>
#include <errno.h>
#include <rfb/rfbclient.h>
#include <signal.h>
#include <sys/socket.h>

#include "check_main.h"
#include "desktop_rig.h"

// A viewer made of libvncclient on our end of the socket pair.
struct viewer {
    rfbClient *client;
    int updates, cursors, resizes;
};

static rfbBool on_resize(rfbClient *client)
{
    client->updateRect.x = client->updateRect.y = 0;
    client->updateRect.w = client->width;
    client->updateRect.h = client->height;
    struct viewer *viewer = rfbClientGetClientData(client, NULL);
    free(client->frameBuffer);
    client->frameBuffer = calloc((size_t)client->width * (size_t)client->height, 4);
    viewer->resizes++;
    return TRUE;
}

static void on_update(rfbClient *client)
{
    ((struct viewer *)rfbClientGetClientData(client, NULL))->updates++;
}

static void on_cursor(rfbClient *client, int x, int y, int width, int height, int bytes)
{
    (void)x, (void)y, (void)width, (void)height, (void)bytes;
    ((struct viewer *)rfbClientGetClientData(client, NULL))->cursors++;
}

static void viewer_open(struct viewer *viewer, struct desktop *desktop, bool may_input,
                        const char *encodings, bool draws_cursor)
{
    struct fail why;
    int fd;
    memset(viewer, 0, sizeof *viewer);
    bool open = desktop_rfb(desktop, may_input, &fd, &why);
    ck_assert_msg(open, "%s", why.what);
    rfbEnableClientLogging = FALSE;
    rfbClient *client = viewer->client = rfbGetClient(8, 3, 4);
    rfbClientSetClientData(client, NULL, viewer);
    client->MallocFrameBuffer = on_resize;
    client->FinishedFrameBufferUpdate = on_update;
    client->GotCursorShape = on_cursor;
    client->canHandleNewFBSize = TRUE;
    client->appData.useRemoteCursor = draws_cursor;
    client->appData.encodingsString = encodings;
    client->appData.compressLevel = 1;
    client->appData.enableJPEG = FALSE;
    client->sock = fd;
    ck_assert(InitialiseRFBConnection(client));
    client->width = client->si.framebufferWidth;
    client->height = client->si.framebufferHeight;
    ck_assert(on_resize(client));
    ck_assert(SetFormatAndEncodings(client));
    ck_assert(SendFramebufferUpdateRequest(client, 0, 0, client->width, client->height, FALSE));
}

static void viewer_close(struct viewer *viewer)
{
    free(viewer->client->frameBuffer);
    viewer->client->frameBuffer = NULL;
    rfbClientCleanup(viewer->client);
}

// Until the pixel has the colour, or the time is over.
// A machine with other work to do is slow; who waits in vain for a hung one waits for ever.
enum { SOON_MS = 20000 };

static bool viewer_sees(struct viewer *viewer, int x, int y, uint32_t colour, int ms)
{
    int64_t end = clock_mono_ms() + ms;
    for (;;) {
        rfbClient *client = viewer->client;
        const uint8_t *pixel =
            client->frameBuffer + ((size_t)y * (size_t)client->width + (size_t)x) * 4;
        if (x < client->width && y < client->height && viewer->updates > 0 &&
            ((uint32_t)pixel[0] << 16 | (uint32_t)pixel[1] << 8 | pixel[2]) == colour)
            return true;
        if (clock_mono_ms() >= end)
            return false;
        int ready = WaitForMessage(client, 20000);
        ck_assert_int_ge(ready, 0);
        if (ready > 0)
            ck_assert(HandleRFBServerMessage(client));
    }
}

static Display *x;
static GC gc;

static void open_display(const struct rig *rig)
{
    x = XOpenDisplay(rig->xvfb.display);
    gc = XCreateGC(x, DefaultRootWindow(x), 0, NULL);
}

static void fill(uint32_t colour, int left, int top, unsigned width, unsigned height)
{
    XSetForeground(x, gc, colour);
    XFillRectangle(x, DefaultRootWindow(x), gc, left, top, width, height);
    XSync(x, False);
}

static const char *const encodings[] = {"tight", "zrle",  "hextile", "raw",
                                        "zlib",  "corre", "ultra"};

START_TEST(what_is_drawn_arrives_in_every_encoding)
{
    struct rig rig = rig_start("801x603x24", NULL);
    struct viewer viewer;
    open_display(&rig);
    fill(0x123456, 0, 0, 801, 603);
    viewer_open(&viewer, rig.desktop, false, encodings[_i], true);
    ck_assert(viewer_sees(&viewer, 700, 500, 0x123456, SOON_MS));
    for (unsigned i = 0; i < 10; i++) {
        uint32_t colour = 0x0a0b0c * (i + 1);
        int at_x = 50 * (int)i, at_y = 40 * (int)i;
        fill(colour, at_x, at_y, 30, 30);
        ck_assert(viewer_sees(&viewer, at_x + 15, at_y + 15, colour, SOON_MS));
        ck_assert(viewer_sees(&viewer, 800, 602, 0x123456, SOON_MS));
    }
    viewer_close(&viewer);
    rig_stop(&rig);
}
END_TEST

START_TEST(the_pointer_s_image_is_sent_and_not_drawn)
{
    struct rig rig = rig_start("640x480x24", NULL);
    struct viewer viewer, plain;
    open_display(&rig);
    XDefineCursor(x, DefaultRootWindow(x), XCreateFontCursor(x, XC_crosshair));
    fill(0x777777, 0, 0, 640, 480);
    viewer_open(&viewer, rig.desktop, false, "tight", true);
    ck_assert(viewer_sees(&viewer, 320, 240, 0x777777, SOON_MS)); // where the pointer is
    for (unsigned i = 0; i < 400 && viewer.cursors == 0; i++)
        viewer_sees(&viewer, 0, 0, 1, 50);
    ck_assert_int_gt(viewer.cursors, 0);
    int before = viewer.cursors;
    XDefineCursor(x, DefaultRootWindow(x), XCreateFontCursor(x, XC_watch));
    XSync(x, False);
    for (unsigned i = 0; i < 400 && viewer.cursors == before; i++)
        viewer_sees(&viewer, 0, 0, 1, 50);
    ck_assert_int_gt(viewer.cursors, before);

    viewer_open(&plain, rig.desktop, false, "raw", false);
    ck_assert(viewer_sees(&plain, 320, 240, 0x777777, SOON_MS));
    fill(0x888888, 0, 0, 640, 480);
    ck_assert(viewer_sees(&plain, 320, 240, 0x888888, SOON_MS));
    ck_assert(viewer_sees(&viewer, 320, 240, 0x888888, SOON_MS));
    viewer_close(&plain);
    viewer_close(&viewer);
    rig_stop(&rig);
}
END_TEST

START_TEST(input_arrives_with_consent_only)
{
    struct rig rig = rig_start("640x480x24", NULL);
    struct receiver receiver;
    struct viewer viewer;
    receiver_open(&receiver, rig.xvfb.display);
    viewer_open(&viewer, rig.desktop, false, "tight", true);
    viewer_sees(&viewer, 0, 0, 1, 200);
    SendPointerEvent(viewer.client, 100, 50, rfbButton1Mask);
    SendPointerEvent(viewer.client, 100, 50, 0);
    SendKeyEvent(viewer.client, 'a', TRUE);
    SendKeyEvent(viewer.client, 'a', FALSE);
    receiver_read(&receiver, 300);
    ck_assert_str_eq(receiver_story(&receiver, false), "");
    viewer_close(&viewer);

    viewer_open(&viewer, rig.desktop, true, "tight", true);
    viewer_sees(&viewer, 0, 0, 1, 200);
    SendPointerEvent(viewer.client, 100, 50, 0);
    SendPointerEvent(viewer.client, 100, 50, rfbButton1Mask);
    SendPointerEvent(viewer.client, 120, 50, rfbButton1Mask);
    SendPointerEvent(viewer.client, 120, 50, 0);
    SendPointerEvent(viewer.client, 120, 50, rfbButton4Mask);
    SendPointerEvent(viewer.client, 120, 50, 0);
    static const uint32_t keys[] = {'a',   'A',  '?',        XK_Return,
                                    XK_F5, 0xe9, 0x01000436, XK_Cyrillic_ya};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        SendKeyEvent(viewer.client, keys[i], TRUE);
        SendKeyEvent(viewer.client, keys[i], FALSE);
        receiver_read(&receiver, 150);
    }
    receiver_hears(&receiver,
                   "+b1 -b1 +b4 -b4 +a -a +Shift_L +A -Shift_L -a +Shift_L +? -Shift_L -/ "
                   "+Return -Return +F5 -F5 +eacute -eacute +U0436 -U0436 "
                   "+Cyrillic_ya -Cyrillic_ya");
    ck_assert_str_eq(receiver.text, "aA?\ré"
                                    "жя");

    // A viewer that holds Shift and sends what needs none here.
    receiver_clear(&receiver);
    SendKeyEvent(viewer.client, XK_Shift_L, TRUE);
    SendKeyEvent(viewer.client, '/', TRUE);
    SendKeyEvent(viewer.client, '/', FALSE);
    SendKeyEvent(viewer.client, 'B', TRUE);
    SendKeyEvent(viewer.client, 'B', FALSE);
    for (unsigned i = 0; i < 100 && receiver.text_size < 2; i++)
        receiver_read(&receiver, 200);
    receiver_read(&receiver, 200);
    ck_assert_str_eq(receiver.text, "/B");
    receiver_clear(&receiver);
    viewer_close(&viewer); // what it held comes up
    receiver_hears(&receiver, "-Shift_L");
    receiver_close(&receiver);
    rig_stop(&rig);
}
END_TEST

// It has to be off for the screen to get smaller than its mode.
static void screen_off(void)
{
    XRRScreenResources *resources = XRRGetScreenResourcesCurrent(x, DefaultRootWindow(x));
    for (int i = 0; i < resources->ncrtc; i++)
        XRRSetCrtcConfig(x, resources, resources->crtcs[i], CurrentTime, 0, 0, None, RR_Rotate_0,
                         NULL, 0);
    XRRFreeScreenResources(resources);
}

// A screen of one colour, and a viewer that has seen all of it.
static void show_all(struct rig *rig, struct viewer *viewer, const char *encoding)
{
    open_display(rig);
    fill(0x224466, 0, 0, 1280, 800);
    viewer_open(viewer, rig->desktop, false, encoding, true);
    ck_assert(viewer_sees(viewer, 1000, 700, 0x224466, SOON_MS));
}

START_TEST(a_resize_reaches_the_viewer)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct viewer viewer;
    show_all(&rig, &viewer, "tight");
    screen_off();
    static const int sizes[][2] = {{640, 480}, {1001, 701}, {333, 222}};
    for (size_t i = 0; i < 3; i++) {
        uint32_t colour = 0x102030 * (uint32_t)(i + 1);
        XRRSetScreenSize(x, DefaultRootWindow(x), sizes[i][0], sizes[i][1], 300, 200);
        fill(colour, 0, 0, 1280, 800);
        ck_assert(viewer_sees(&viewer, 300, 200, colour, SOON_MS));
        ck_assert_int_eq(viewer.client->width, sizes[i][0]);
        ck_assert_int_eq(viewer.client->height, sizes[i][1]);
    }
    viewer_close(&viewer);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_viewer_that_wants_it_smaller_survives_a_resize)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct viewer viewer;
    show_all(&rig, &viewer, "raw");
    static const char scale[] = {rfbSetScale, 2, 0, 0}; // of UltraVNC: half as wide and high
    ck_assert(WriteToRFBServer(viewer.client, scale, sizeof scale));
    ck_assert(SendFramebufferUpdateRequest(viewer.client, 0, 0, 1280, 800, FALSE));
    viewer.updates = 0;
    for (int64_t end = clock_mono_ms() + SOON_MS;
         viewer.client->width != 640 && clock_mono_ms() < end;)
        if (WaitForMessage(viewer.client, 100000) > 0)
            ck_assert(HandleRFBServerMessage(viewer.client));
    ck_assert_int_eq(viewer.client->width, 640);
    ck_assert(viewer_sees(&viewer, 639, 399, 0x224466, SOON_MS));
    pid_t process = child_named("opengeni-agent-desktop");
    screen_off();
    XRRSetScreenSize(x, DefaultRootWindow(x), 300, 200, 300, 200);
    fill(0x123456, 0, 0, 1280, 800);
    ck_assert(viewer_sees(&viewer, 299, 199, 0x123456, SOON_MS));
    ck_assert_int_eq(viewer.client->width, 300);
    ck_assert_int_eq(child_named("opengeni-agent-desktop"), process);
    viewer_close(&viewer);
    rig_stop(&rig);
}
END_TEST

static const struct {
    const char *screen;
    uint32_t drawn, seen;
} depths[] = {{"640x480x16", 0xf800, 0xff0000},
              {"640x480x15", 0x03e0, 0x00ff00},
              {"640x480x30", 0x000003ff, 0x0000ff}};

START_TEST(other_depths_have_the_right_colours)
{
    struct rig rig = rig_start(depths[_i].screen, NULL);
    struct viewer viewer;
    open_display(&rig);
    fill(depths[_i].drawn, 0, 0, 640, 480);
    viewer_open(&viewer, rig.desktop, false, "tight", true);
    ck_assert(viewer_sees(&viewer, 600, 400, depths[_i].seen, SOON_MS));
    viewer_close(&viewer);
    rig_stop(&rig);
}
END_TEST

static bool open_seat(struct desktop *desktop, int *fd, int ms, struct fail *why)
{
    for (int64_t end = clock_mono_ms() + ms; !desktop_rfb(desktop, true, fd, why); sleep_ms(20))
        if (clock_mono_ms() >= end)
            return false;
    return true;
}

START_TEST(viewers_have_seats_and_get_them_back)
{
    struct rig rig = rig_start("640x480x24", NULL);
    int fds[DESKTOP_RFB_MAX], extra;
    struct fail why;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < DESKTOP_RFB_MAX; i++)
            ck_assert(open_seat(rig.desktop, &fds[i], SOON_MS, &why));
        ck_assert(!desktop_rfb(rig.desktop, false, &extra, &why));
        ck_assert_int_eq(why.kind, FAIL_BUSY);
        for (unsigned i = 0; i < DESKTOP_RFB_MAX; i++)
            close(fds[i]);
    }
    rig_stop(&rig);
}
END_TEST

START_TEST(garbage_ends_its_own_viewer_only)
{
    struct rig rig = rig_start("640x480x24", NULL);
    static const char *const starts[] = {"",
                                         "RFB 003.008\n",
                                         "RFB 003.008\n\x01",
                                         "RFB 003.003\n",
                                         "RFB 003.008\n\x01\x01",
                                         "GET / HTTP/1.1\r\n\r\n",
                                         "RFB 999.999\n",
                                         "RFB 003.008\n\x10",
                                         "\x16\x03\x01"};
    struct fail why;
    for (unsigned round = 0; round < 60; round++) {
        int fd;
        bool open = open_seat(rig.desktop, &fd, SOON_MS, &why);
        ck_assert_msg(open, "%s", why.what);
        const char *start = starts[round % 9];
        if (send(fd, start, strlen(start), MSG_NOSIGNAL) < 0)
            ck_assert_int_eq(errno, EPIPE);
        char junk[4096];
        for (size_t i = 0; i < sizeof junk; i++)
            junk[i] = (char)(noise() % 4 ? noise() % 8 : noise());
        if (round % 3 && send(fd, junk, noise() % sizeof junk, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            ck_assert(errno == EPIPE || errno == EAGAIN);
        if (round % 2)
            sleep_ms(20);
        if (round % 5)
            shutdown(fd, SHUT_WR);
        close(fd);
    }
    struct decoded decoded = shot(rig.desktop);
    free(decoded.rgb);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_viewer_that_does_not_read_delays_nobody)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct viewer viewer, other;
    open_display(&rig);
    viewer_open(&viewer, rig.desktop, false, "raw", true); // 4 MB an update, and it never reads
    sleep_ms(300);
    viewer_open(&other, rig.desktop, false, "tight", true);
    for (unsigned i = 1; i < 10; i++) {
        fill(0x111111 * i, 0, 0, 1280, 800);
        ck_assert(viewer_sees(&other, 1000, 700, 0x111111 * i, SOON_MS));
        struct decoded decoded = shot(rig.desktop);
        ck_assert_uint_eq(pixel_at(&decoded, 1000, 700), 0x111111 * i);
        free(decoded.rgb);
    }
    int64_t start = clock_mono_ms();
    viewer_close(&other);
    viewer_close(&viewer);
    rig_stop(&rig);
    ck_assert_int_lt(clock_mono_ms() - start, 20000);
}
END_TEST

START_TEST(the_first_line_of_a_viewer_is_recognised)
{
    ck_assert(desktop_speaks_rfb("RFB 003.008\n", 12));
    ck_assert(desktop_speaks_rfb("RFB 003.003\nmore", 16));
    ck_assert(!desktop_speaks_rfb("RFB 003.008\n", 11));
    ck_assert(!desktop_speaks_rfb("RFB 003.008 ", 12));
    ck_assert(!desktop_speaks_rfb("RFB 00x.008\n", 12));
    ck_assert(!desktop_speaks_rfb("GET / HTTP/1", 12));
    ck_assert(!desktop_speaks_rfb("", 0));
}
END_TEST

START_TEST(the_server_s_end_is_the_viewer_s_end)
{
    struct rig rig = rig_start("640x480x24", NULL);
    struct fail why;
    int fd;
    char room[4096];
    ck_assert(desktop_rfb(rig.desktop, false, &fd, &why));
    kill(rig.xvfb.pid, SIGKILL);
    ssize_t n;
    int64_t start = clock_mono_ms();
    while ((n = read(fd, room, sizeof room)) > 0)
        ck_assert_int_lt(clock_mono_ms() - start, 20000);
    ck_assert_int_le(n, 0);
    close(fd);
    rig_stop(&rig);
}
END_TEST

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    TCase *tests = tcase_create("rfb");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, what_is_drawn_arrives_in_every_encoding, 0,
                        sizeof encodings / sizeof *encodings);
    tcase_add_test(tests, the_pointer_s_image_is_sent_and_not_drawn);
    tcase_add_test(tests, input_arrives_with_consent_only);
    tcase_add_test(tests, a_resize_reaches_the_viewer);
    tcase_add_test(tests, a_viewer_that_wants_it_smaller_survives_a_resize);
    tcase_add_loop_test(tests, other_depths_have_the_right_colours, 0, 3);
    tcase_add_test(tests, viewers_have_seats_and_get_them_back);
    tcase_add_test(tests, garbage_ends_its_own_viewer_only);
    tcase_add_test(tests, a_viewer_that_does_not_read_delays_nobody);
    tcase_add_test(tests, the_first_line_of_a_viewer_is_recognised);
    tcase_add_test(tests, the_server_s_end_is_the_viewer_s_end);
    return check_run_case("rfb", tests);
}
