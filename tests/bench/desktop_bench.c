// What pictures and input of the desktop cost, through the daemon's library and the real desktop
// process, on an Xvfb of its own: prints one line a figure. Floors are measured in the same run.
// Usage: desktop_bench PROGRAM, the path of opengeni-agent-desktop.
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/extensions/XShm.h>
#include <libdeflate.h>
#include <math.h>
#include <poll.h>
#include <rfb/rfbclient.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "desktop_client/desktop.h"
#include "desktop_client/frames.h"
#include "xvfb.h"

enum { WIDTH = 1920, HEIGHT = 1080, ROUNDS = 41 };

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int by_size(const void *one, const void *two)
{
    double a = *(const double *)one, b = *(const double *)two;
    return (a > b) - (a < b);
}

static void report(const char *what, double *ms, int count, const char *more)
{
    qsort(ms, (size_t)count, sizeof *ms, by_size);
    printf("%-34s p50 %7.2f ms  max %7.2f ms  %s\n", what, ms[count / 2], ms[count - 1], more);
    fflush(stdout);
}

static void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

// --- the other side of the screen

struct stage {
    Display *x;
    Window window;
    GC gc;
    XImage *image;
    XShmSegmentInfo segment;
};

static void stage_open(struct stage *stage, const struct xvfb *xvfb)
{
    stage->x = XOpenDisplay(xvfb->display);
    if (!stage->x)
        die("cannot open the display");
    int screen = DefaultScreen(stage->x);
    stage->gc = DefaultGC(stage->x, screen);
    stage->image = XShmCreateImage(stage->x, DefaultVisual(stage->x, screen), 24, ZPixmap, NULL,
                                   &stage->segment, WIDTH, HEIGHT);
    stage->segment.shmid = shmget(IPC_PRIVATE, WIDTH * HEIGHT * 4, IPC_CREAT | 0600);
    stage->segment.shmaddr = stage->image->data = shmat(stage->segment.shmid, NULL, 0);
    shmctl(stage->segment.shmid, IPC_RMID, NULL);
    XShmAttach(stage->x, &stage->segment);
    XSync(stage->x, False);
}

static void stage_show_window(struct stage *stage)
{
    XSetWindowAttributes attributes = {.override_redirect = True};
    stage->window =
        XCreateWindow(stage->x, DefaultRootWindow(stage->x), 0, 0, WIDTH, HEIGHT, 0, CopyFromParent,
                      InputOutput, CopyFromParent, CWOverrideRedirect, &attributes);
    XMapRaised(stage->x, stage->window);
    XSync(stage->x, False);
}

static void stage_draw(struct stage *stage)
{
    XShmPutImage(stage->x, stage->window, stage->gc, stage->image, 0, 0, 0, 0, WIDTH, HEIGHT,
                 False);
    XSync(stage->x, False);
}

// Smooth shades with the noise of a camera.
static void stage_photo(struct stage *stage, unsigned seed, int noise)
{
    uint32_t *pixels = (uint32_t *)(void *)stage->image->data;
    for (unsigned y = 0; y < HEIGHT; y++)
        for (unsigned x = 0; x < WIDTH; x++) {
            uint32_t pixel = 0;
            for (unsigned k = 0; k < 3; k++) {
                double shade = 128 + 60 * sin(x * .011 * (k + 1) + y * .003) +
                               40 * sin(y * .017 + x * .005 * k);
                seed = seed * 1664525 + 1013904223;
                int value = (int)shade + (noise ? (int)(seed >> 16) % (2 * noise + 1) - noise : 0);
                pixel = pixel << 8 | (uint32_t)(value < 0 ? 0 : value > 255 ? 255 : value);
            }
            pixels[y * WIDTH + x] = pixel;
        }
}

static void fill_with_text(const struct xvfb *xvfb, pid_t *xterm)
{
    char *const arguments[] = {
        "xterm",
        "-geometry",
        "319x83+0+0",
        "-e",
        "sh",
        "-c",
        "i=0; while [ $i -lt 120 ]; do echo \"$i The quick brown fox jumps over "
        "the lazy dog 0123456789 /usr/lib/x86_64-linux-gnu/lib$i.so.$i "
        "drwxr-xr-x 2 root root 4096 Jan $i 12:34 directory_$i and some more "
        "words to fill the line up to its end with text of all kinds: "
        "{[()]} <> !?%& #$i @home ~$i\"; i=$((i+1)); done; cat",
        NULL};
    *xterm = xvfb_run(xvfb, arguments);
    sleep_ms(1500);
}

// --- the desktop process from outside

static double cpu_ms(pid_t pid)
{
    char path[64], line[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    // schedstat counts one thread; the sum over all of them is in stat, in ticks: coarse but whole.
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t n = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[n] = '\0';
    unsigned long user = 0, system_time = 0;
    const char *rest = strrchr(line, ')');
    if (rest)
        sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system_time);
    return (double)(user + system_time) * 1000 / (double)sysconf(_SC_CLK_TCK);
}

static long rss_kb(pid_t pid, const char *key)
{
    char path[64], line[256];
    long value = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid,
             strcmp(key, "VmRSS") ? "smaps_rollup" : "status");
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value += strtol(line + strlen(key) + 1, NULL, 10);
    if (file)
        fclose(file);
    return value;
}

// --- measurements

static double shot(struct desktop *desktop, size_t budget, struct desktop_picture *picture)
{
    struct desktop_shot wanted = {.budget = budget};
    struct fail why;
    double start = now_ms();
    if (!desktop_screenshot(desktop, NULL, &wanted, picture, &why))
        die(why.what);
    char *copy = malloc(picture->bytes);
    if (pread(picture->fd, copy, picture->bytes, 0) != (ssize_t)picture->bytes)
        die("short PNG");
    double spent = now_ms() - start;
    close(picture->fd);
    free(copy);
    return spent;
}

static void floors(struct stage *stage)
{
    double ms[ROUNDS], compress[5];
    char more[64];
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ms();
        XShmGetImage(stage->x, DefaultRootWindow(stage->x), stage->image, 0, 0, AllPlanes);
        ms[i] = now_ms() - start;
    }
    report("floor: XShmGetImage", ms, ROUNDS, "");
    size_t size = 3ul * WIDTH * HEIGHT, packed = 0;
    uint8_t *rgb = malloc(size), *out = malloc(size);
    const uint32_t *pixels = (const uint32_t *)(void *)stage->image->data;
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        rgb[3 * i] = (uint8_t)(pixels[i] >> 16);
        rgb[3 * i + 1] = (uint8_t)(pixels[i] >> 8);
        rgb[3 * i + 2] = (uint8_t)pixels[i];
    }
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(1);
    for (int i = 0; i < 5; i++) {
        double start = now_ms();
        packed = libdeflate_zlib_compress(compressor, rgb, size, out, size);
        compress[i] = now_ms() - start;
    }
    snprintf(more, sizeof more, "%zu bytes", packed);
    report("floor: libdeflate 1, RGB", compress, 5, more);
    libdeflate_free_compressor(compressor);
    free(rgb);
    free(out);
}

enum { MIB = 1 << 20, MARGIN = 4096 };

static void shots(struct desktop *desktop, struct stage *stage, const char *name)
{
    double ms[ROUNDS];
    char what[64], more[128];
    struct desktop_picture picture;
    snprintf(what, sizeof what, "screenshot, %s", name);
    for (int i = 0; i < ROUNDS; i++) {
        // One pixel in every strip: nothing can be reused.
        for (int y = 0; y < HEIGHT; y += 32)
            XFillRectangle(stage->x, stage->window, stage->gc, i, y, 1, 1);
        XSync(stage->x, False);
        ms[i] = shot(desktop, MIB - MARGIN, &picture);
    }
    snprintf(more, sizeof more, "%zu bytes, %ux%u of %ux%u", picture.bytes, picture.width,
             picture.height, picture.native_width, picture.native_height);
    report(what, ms, ROUNDS, more);
    snprintf(what, sizeof what, "  repeated, unchanged");
    for (int i = 0; i < ROUNDS; i++)
        ms[i] = shot(desktop, MIB - MARGIN, &picture);
    report(what, ms, ROUNDS, "");
}

// Frames until the time is over; what they cost the desktop process.
static void watch(struct desktop *desktop, const char *what, int seconds, Window typed,
                  struct stage *stage)
{
    struct desktop_view view = {.frames_per_second = 30, .frame_bytes = 4 * MIB};
    struct fail why;
    int socket;
    double start = now_ms(), first = 0, end, cpu = 0, begun = 0;
    if (!desktop_frames(desktop, &view, &socket, &why))
        die(why.what);
    unsigned frames = 0, key = 0;
    size_t bytes = 0;
    pid_t pid = child_named("opengeni-agent-desktop");
    double next_key = 0;
    for (end = start + 60000; now_ms() < end;) {
        struct pollfd ready = {socket, POLLIN, 0};
        poll(&ready, 1, 5);
        struct desktop_frame frame;
        int png;
        if (frames_read(socket, &frame, &png) == FRAMES_ONE) {
            close(png);
            frames++;
            bytes += frame.bytes;
            if (!frames_taken(socket))
                die("the desktop process has gone");
            if (first == 0) {
                first = now_ms() - start;
                sleep_ms(200);
                begun = now_ms();
                cpu = cpu_ms(pid);
                end = begun + seconds * 1000.0;
                frames = 0;
                bytes = 0;
            }
        }
        if (typed && begun > 0 && now_ms() >= next_key) {
            // A keystroke as xterm gets it; send_event is allowed by the resource set above.
            char letter[2] = {(char)('a' + key++ % 26), 0};
            XDrawString(stage->x, typed, stage->gc, 20 + (int)(key % 150) * 7, 500, letter, 1);
            XFlush(stage->x);
            next_key = now_ms() + 1000.0 / 30;
        }
    }
    double share = (cpu_ms(pid) - cpu) / (now_ms() - begun) * 100;
    printf("%-34s %.1f frames/s, %.0f kB/s, %.1f %% of a core; first frame after %.1f ms\n", what,
           frames / (double)seconds, (double)bytes / 1000 / seconds, share, first);
    fflush(stdout);
    close(socket);
    sleep_ms(200);
}

// --- RFB

struct rfb_wait {
    long pixels; // that have come
    bool done;
};

static rfbBool rfb_memory(rfbClient *client)
{
    free(client->frameBuffer);
    client->frameBuffer = calloc((size_t)client->width * (size_t)client->height, 4);
    return TRUE;
}

static void rfb_rectangle(rfbClient *client, int x, int y, int width, int height)
{
    (void)x, (void)y;
    ((struct rfb_wait *)rfbClientGetClientData(client, NULL))->pixels += (long)width * height;
}

// There are others: of the pointer alone, or what has just changed.
static void rfb_update_done(rfbClient *client)
{
    struct rfb_wait *wait = rfbClientGetClientData(client, NULL);
    wait->done = wait->pixels >= (long)WIDTH * HEIGHT;
}

// The whole screen again and again, from the request to its last pixel in the viewer's memory.
static void rfb_updates(struct desktop *desktop, const char *encoding, const char *name)
{
    struct rfb_wait wait = {0};
    struct fail why;
    double ms[ROUNDS];
    char what[64];
    rfbEnableClientLogging = FALSE;
    rfbClient *client = rfbGetClient(8, 3, 4);
    rfbClientSetClientData(client, NULL, &wait);
    client->MallocFrameBuffer = rfb_memory;
    client->GotFrameBufferUpdate = rfb_rectangle;
    client->FinishedFrameBufferUpdate = rfb_update_done;
    client->appData.useRemoteCursor = TRUE;
    client->appData.encodingsString = encoding;
    client->appData.compressLevel = 1;
    client->appData.enableJPEG = FALSE;
    if (!desktop_rfb(desktop, false, &client->sock, &why))
        die(why.what);
    if (!InitialiseRFBConnection(client))
        die("no RFB");
    client->width = client->si.framebufferWidth;
    client->height = client->si.framebufferHeight;
    rfb_memory(client);
    SetFormatAndEncodings(client);
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ms();
        wait = (struct rfb_wait){0};
        SendFramebufferUpdateRequest(client, 0, 0, client->width, client->height, FALSE);
        while (!wait.done)
            if (WaitForMessage(client, 1000000) < 0 || !HandleRFBServerMessage(client))
                die("RFB ended");
        ms[i] = now_ms() - start;
        sleep_ms(20);
    }
    snprintf(what, sizeof what, "RFB update, whole screen, %s, %s", name, encoding);
    report(what, ms, ROUNDS, "");
    free(client->frameBuffer);
    client->frameBuffer = NULL;
    rfbClientCleanup(client);
    sleep_ms(200);
}

static void memory(const char *when)
{
    pid_t pid = child_named("opengeni-agent-desktop");
    printf("%-34s RSS %.1f MiB, private %.1f MiB\n", when, (double)rss_kb(pid, "VmRSS") / 1024,
           (double)(rss_kb(pid, "Private_Dirty:") + rss_kb(pid, "Private_Clean:")) / 1024);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        die("usage: desktop_bench PATH_OF_opengeni-agent-desktop");
    struct xvfb xvfb;
    struct stage stage;
    pid_t xterm;
    if (!xvfb_start(&xvfb, "1920x1080x24", false, NULL))
        die("no Xvfb");
    stage_open(&stage, &xvfb);
    fill_with_text(&xvfb, &xterm);
    floors(&stage);

    struct desktop_options options = {.program = argv[1], .display = xvfb.display};
    struct desktop *desktop = desktop_new(&options);
    struct desktop_state state;
    double start = now_ms();
    desktop_look(desktop, &state);
    if (!state.available)
        die(state.reason);
    printf("%-34s %.1f ms\n", "process started, display open", now_ms() - start);
    memory("  fresh");
    struct desktop_picture picture;
    printf("%-34s %.1f ms\n", "first screenshot", shot(desktop, MIB - MARGIN, &picture));

    stage.window = DefaultRootWindow(stage.x);
    XGCValues values = {.subwindow_mode = IncludeInferiors};
    stage.gc = XCreateGC(stage.x, stage.window, GCSubwindowMode, &values);
    shots(desktop, &stage, "text");
    memory("  after text");
    watch(desktop, "live view, typing", 10, stage.window, &stage);
    watch(desktop, "live view, idle", 20, None, &stage);
    memory("  after live view");
    rfb_updates(desktop, "tight", "text");
    rfb_updates(desktop, "zrle", "text");
    memory("  after RFB");

    stage_show_window(&stage);
    stage_photo(&stage, 1, 0);
    stage_draw(&stage);
    shots(desktop, &stage, "smooth photo");
    stage_photo(&stage, 1, 2);
    stage_draw(&stage);
    shots(desktop, &stage, "photo");
    stage_photo(&stage, 1, 6);
    stage_draw(&stage);
    shots(desktop, &stage, "noisy photo");
    memory("  after photos");

    struct desktop_input move = {.kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_MOVE};
    double ms[ROUNDS];
    struct fail why;
    for (int i = 0; i < ROUNDS; i++) {
        move.x = move.y = i;
        start = now_ms();
        if (!desktop_input(desktop, NULL, &move, NULL, 0, &why))
            die(why.what);
        ms[i] = now_ms() - start;
    }
    report("input: move", ms, ROUNDS, "");
    desktop_free(desktop);
    kill(xterm, SIGTERM);
    waitpid(xterm, NULL, 0);
    XCloseDisplay(stage.x);
    xvfb_stop(&xvfb);
    return 0;
}
