#include <X11/Xutil.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "check_main.h"
#include "desktop_rig.h"

struct watcher {
    int socket;
    unsigned frames, repeats;
    size_t bytes;
    struct decoded last; // rgb is NULL before the first
    struct desktop_frame frame;
};

static struct watcher watch(struct desktop *desktop, struct desktop_view view)
{
    struct watcher watcher = {0};
    struct fail why;
    bool open = desktop_frames(desktop, &view, &watcher.socket, &why);
    ck_assert_msg(open, "%s", why.what);
    return watcher;
}

static struct desktop_view plain_view(void)
{
    return (struct desktop_view){.frames_per_second = 30, .frame_bytes = 4 << 20};
}

// A machine with other work to do is slow; who waits in vain for a hung one waits for ever.
enum { SOON_MS = 20000 };

// Takes frames for that long, or until there are so many.
static void take_frames(struct watcher *watcher, int ms, unsigned until)
{
    int64_t end = clock_mono_ms() + ms;
    while (clock_mono_ms() < end && watcher->frames < until) {
        struct pollfd ready = {watcher->socket, POLLIN, 0};
        poll(&ready, 1, (int)(end - clock_mono_ms()));
        int png;
        enum frames_result result = frames_read(watcher->socket, &watcher->frame, &png);
        ck_assert_int_ne(result, FRAMES_END);
        if (result != FRAMES_ONE)
            continue;
        free(watcher->last.rgb);
        watcher->last = decode_file(png, watcher->frame.bytes);
        ck_assert_uint_eq(watcher->last.width, watcher->frame.width);
        watcher->frames++;
        watcher->repeats += watcher->frame.repeat != 0;
        watcher->bytes += watcher->frame.bytes;
        ck_assert(frames_taken(watcher->socket));
    }
}

static void stop_watching(struct watcher *watcher)
{
    close(watcher->socket);
    free(watcher->last.rgb);
}

static Display *x;
static GC gc;

static void open_display(const struct rig *rig)
{
    x = XOpenDisplay(rig->xvfb.display);
    ck_assert_ptr_nonnull(x);
    gc = XCreateGC(x, DefaultRootWindow(x), 0, NULL);
}

static void fill(uint32_t colour, int left, int top, unsigned width, unsigned height)
{
    XSetForeground(x, gc, colour);
    XFillRectangle(x, DefaultRootWindow(x), gc, left, top, width, height);
    XSync(x, False);
}

START_TEST(the_first_frame_comes_at_once_and_changes_follow)
{
    struct rig rig = rig_start("800x600x24", NULL);
    open_display(&rig);
    fill(0x102030, 0, 0, 800, 600);
    struct watcher watcher = watch(rig.desktop, plain_view());
    take_frames(&watcher, SOON_MS, 1);
    ck_assert_uint_eq(watcher.frames, 1);
    ck_assert_uint_eq(pixel_at(&watcher.last, 600, 500), 0x102030);
    for (unsigned i = 0; i < 20; i++) {
        unsigned before = watcher.frames;
        fill(0x010101 * (i + 40), 300, 20 * (int)i, 50, 20);
        take_frames(&watcher, SOON_MS, before + 1);
        ck_assert_uint_eq(watcher.frames, before + 1);
        ck_assert_uint_eq(pixel_at(&watcher.last, 320, 20 * i + 10), 0x010101 * (i + 40));
        ck_assert_uint_eq(pixel_at(&watcher.last, 600, 500), 0x102030);
    }
    stop_watching(&watcher);
    rig_stop(&rig);
}
END_TEST

START_TEST(an_unchanged_screen_is_repeated_a_few_times_and_then_silent)
{
    struct rig rig = rig_start("800x600x24", NULL);
    open_display(&rig);
    struct watcher watcher = watch(rig.desktop, plain_view());
    take_frames(&watcher, SOON_MS, 3); // the first, after one second, after five
    take_frames(&watcher, 1500, 100);
    ck_assert_uint_eq(watcher.frames, 3);
    ck_assert_uint_eq(watcher.repeats, 2);
    ck_assert(frames_fresh(watcher.socket));
    take_frames(&watcher, SOON_MS, 4);
    ck_assert_uint_eq(watcher.frames, 4);
    ck_assert_uint_eq(watcher.repeats, 2);
    stop_watching(&watcher);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_slow_viewer_gets_the_newest_picture_and_no_backlog)
{
    struct rig rig = rig_start("800x600x24", NULL);
    open_display(&rig);
    struct watcher watcher = watch(rig.desktop, plain_view());
    take_frames(&watcher, SOON_MS, 1);
    struct desktop_frame frame;
    int png;
    fill(0x111111, 0, 0, 800, 600);
    struct pollfd ready = {watcher.socket, POLLIN, 0};
    ck_assert_int_eq(poll(&ready, 1, SOON_MS), 1);
    ck_assert_int_eq(frames_read(watcher.socket, &frame, &png), FRAMES_ONE); // and does not take it
    close(png);
    for (unsigned i = 2; i < 12; i++) {
        fill(0x111111 * i, 0, 0, 800, 600);
        sleep_ms(50);
    }
    ck_assert_int_eq(frames_read(watcher.socket, &frame, &png), FRAMES_NONE);
    ck_assert(frames_taken(watcher.socket));
    watcher.frames = 0;
    take_frames(&watcher, SOON_MS, 1);
    ck_assert_uint_eq(pixel_at(&watcher.last, 700, 500), 0x111111 * 11);
    take_frames(&watcher, 300, 2);
    ck_assert_uint_eq(watcher.frames - watcher.repeats, 1);
    stop_watching(&watcher);
    rig_stop(&rig);
}
END_TEST

static volatile bool painting;

static void *paint_noise(void *rig_)
{
    const struct rig *rig = rig_;
    Display *own = XOpenDisplay(rig->xvfb.display);
    GC own_gc = XCreateGC(own, DefaultRootWindow(own), 0, NULL);
    for (unsigned i = 0; painting; i++) {
        for (unsigned k = 0; k < 400; k++) {
            XSetForeground(own, own_gc, noise());
            XFillRectangle(own, DefaultRootWindow(own), own_gc, (int)(noise() % 780),
                           (int)(noise() % 580), 20, 20);
        }
        XSync(own, False);
        sleep_ms(5);
    }
    XCloseDisplay(own);
    return NULL;
}

START_TEST(rates_and_bytes_are_kept)
{
    struct rig rig = rig_start("800x600x24", NULL);
    struct desktop_view view = plain_view();
    pthread_t painter;
    open_display(&rig);
    painting = true;
    pthread_create(&painter, NULL, paint_noise, &rig);
    sleep_ms(200);
    view.frames_per_second = 10;
    struct watcher slow = watch(rig.desktop, view);
    int64_t start = clock_mono_ms();
    take_frames(&slow, 3000, 1000);
    ck_assert_uint_le(slow.frames, 2 + (clock_mono_ms() - start) / 100);
    take_frames(&slow, SOON_MS, 5);
    ck_assert_uint_ge(slow.frames, 5);
    stop_watching(&slow);

    view.bytes_per_second = 200000;
    start = clock_mono_ms();
    struct watcher thin = watch(rig.desktop, view);
    take_frames(&thin, 4000, 1000);
    take_frames(&thin, SOON_MS, 2);
    ck_assert_uint_ge(thin.frames, 2);
    size_t seconds = (size_t)(clock_mono_ms() - start) / 1000 + 1;
    ck_assert_uint_le(thin.bytes,
                      200000 * seconds + 300000 + 500000); // and the burst, and one frame
    stop_watching(&thin);

    painting = false;
    pthread_join(painter, NULL);
    rig_stop(&rig);
}
END_TEST

static void draw_noise(unsigned width, unsigned height)
{
    size_t size = (size_t)width * height * 4;
    char *data = malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)noise();
    XImage *image =
        XCreateImage(x, DefaultVisual(x, 0), 24, ZPixmap, 0, data, width, height, 32, 0);
    XPutImage(x, DefaultRootWindow(x), gc, image, 0, 0, 0, 0, width, height);
    XSync(x, False);
    XDestroyImage(image);
}

START_TEST(a_way_that_is_too_slow_gets_smaller_pictures_until_the_screen_is_quiet)
{
    struct rig rig = rig_start("1600x900x24", NULL);
    struct desktop_view view = plain_view();
    open_display(&rig);
    draw_noise(1600, 600);           // almost 3 MB,
    view.bytes_per_second = 1500000; // which is less than a picture a second
    struct watcher thin = watch(rig.desktop, view);
    int64_t end = clock_mono_ms() + 3 * SOON_MS;
    for (unsigned i = 0; clock_mono_ms() < end; i++) {
        take_frames(&thin, 100, thin.frames + 1);
        if (thin.frames > 0 && thin.frame.width < 1600)
            break;
        fill(0x010101 * (i % 250), 0, 700, 20, 20);
    }
    ck_assert_uint_lt(thin.frame.width, 1600);
    ck_assert_uint_ge(thin.frame.width, 500);
    ck_assert_uint_eq(thin.frame.native_width, 1600);
    while (thin.frame.width < 1600 && clock_mono_ms() < end)
        take_frames(&thin, SOON_MS, thin.frames + 1);
    ck_assert_uint_eq(thin.frame.width, 1600);
    stop_watching(&thin);
    rig_stop(&rig);
}
END_TEST

START_TEST(frames_over_their_size_are_made_smaller_and_clicks_on_them_fit)
{
    struct rig rig = rig_start("800x600x24", NULL);
    struct receiver receiver;
    struct desktop_view view = plain_view();
    receiver_open(&receiver, rig.xvfb.display);
    x = receiver.x;
    gc = XCreateGC(x, receiver.window, 0, NULL);
    char *data = malloc(800 * 600 * 4);
    for (size_t i = 0; i < 800 * 600 * 4; i++)
        data[i] = (char)noise();
    XImage *image = XCreateImage(x, DefaultVisual(x, 0), 24, ZPixmap, 0, data, 800, 600, 32, 0);
    XPutImage(x, receiver.window, gc, image, 0, 0, 0, 0, 800, 600);
    XSync(x, False);
    XDestroyImage(image);
    view.frame_bytes = 600000;
    view.may_input = true;
    struct watcher small = watch(rig.desktop, view);
    take_frames(&small, SOON_MS, 1);
    ck_assert_uint_eq(small.frames, 1);
    ck_assert_uint_le(small.frame.bytes, 600000);
    ck_assert_uint_eq(small.frame.native_width, 800);
    ck_assert_uint_lt(small.frame.width, 800);
    struct desktop_input click = {.kind = DESKTOP_POINTER,
                                  .action = DESKTOP_POINTER_CLICK,
                                  .x = (int32_t)small.frame.width / 2,
                                  .y = (int32_t)small.frame.height / 4};
    ck_assert(frames_input(small.socket, &click, NULL, 0));
    receiver_hears(&receiver, "+b1 -b1");
    ck_assert_int_le(abs(receiver.events[receiver.count - 1].x - 400), 1);
    ck_assert_int_le(abs(receiver.events[receiver.count - 1].y - 150), 1);
    stop_watching(&small);
    receiver_close(&receiver);
    rig_stop(&rig);
}
END_TEST

START_TEST(many_viewers_see_the_same_and_one_too_many_is_told)
{
    struct rig rig = rig_start("800x600x24", NULL);
    struct watcher watchers[DESKTOP_VIEWERS_MAX];
    open_display(&rig);
    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX; i++)
        watchers[i] = watch(rig.desktop, plain_view());
    struct desktop_view view = plain_view();
    struct fail why;
    int socket;
    ck_assert(!desktop_frames(rig.desktop, &view, &socket, &why));
    ck_assert_int_eq(why.kind, FAIL_BUSY);
    fill(0xabcdef, 0, 0, 800, 600);
    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX; i++) {
        int64_t end = clock_mono_ms() + SOON_MS; // what was there before may come first
        do
            take_frames(&watchers[i], SOON_MS, watchers[i].frames + 1);
        while (pixel_at(&watchers[i].last, 700, 500) != 0xabcdef && clock_mono_ms() < end);
        ck_assert_uint_eq(pixel_at(&watchers[i].last, 700, 500), 0xabcdef);
    }
    stop_watching(&watchers[3]);
    int64_t end = clock_mono_ms() + SOON_MS; // until its place is free again
    bool seated;
    while (!(seated = desktop_frames(rig.desktop, &view, &socket, &why)) && clock_mono_ms() < end)
        sleep_ms(20);
    ck_assert_msg(seated, "%s", why.what);
    watchers[3] = (struct watcher){.socket = socket};
    take_frames(&watchers[3], SOON_MS, 1);
    ck_assert_uint_eq(watchers[3].frames, 1);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_viewer_s_input_needs_consent_and_fits_what_it_saw)
{
    struct rig rig = rig_start("1200x900x24", NULL);
    struct receiver receiver;
    receiver_open(&receiver, rig.xvfb.display);
    struct desktop_view view = plain_view();
    struct watcher watcher = watch(rig.desktop, view);
    take_frames(&watcher, SOON_MS, 1);
    struct desktop_input click = {
        .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_CLICK, .x = 100, .y = 50};
    ck_assert(frames_input(watcher.socket, &click, NULL, 0));
    receiver_read(&receiver, 300);
    ck_assert_str_eq(receiver_story(&receiver, false), "");
    stop_watching(&watcher);

    view.may_input = true;
    open_display(&rig);
    watcher = watch(rig.desktop, view);
    take_frames(&watcher, SOON_MS, 1);
    ck_assert(frames_input(watcher.socket, &click, NULL, 0));
    struct desktop_input text = {.kind = DESKTOP_TEXT},
                         key = {.kind = DESKTOP_KEY, .action = DESKTOP_KEY_DOWN, .key = "shift"};
    ck_assert(frames_input(watcher.socket, &text, "hi", 2));
    ck_assert(frames_input(watcher.socket, &key, NULL, 0));
    receiver_hears(&receiver, "+b1 -b1 +h -h +i -i +Shift_L");
    ck_assert_int_eq(receiver.events[1].x, 100);
    receiver_clear(&receiver);
    stop_watching(&watcher); // what it held comes up
    receiver_hears(&receiver, "-Shift_L");
    receiver_close(&receiver);
    rig_stop(&rig);
}
END_TEST

// Until the first character has come; more may follow without a pause.
static void await_text(struct receiver *receiver)
{
    while (receiver->text_size == 0) {
        sleep_ms(1);
        receiver_read(receiver, 0);
    }
}

START_TEST(a_text_ends_with_the_viewer_that_types_it)
{
    struct rig rig = rig_start("640x480x24", NULL);
    struct receiver receiver;
    struct desktop_view view = plain_view();
    enum { SIZE = 5000 }; // twenty seconds
    char *text = calloc(1, SIZE + 1);
    struct fail why;
    memset(text, 'z', SIZE);
    receiver_open(&receiver, rig.xvfb.display);
    view.may_input = true;
    struct watcher watcher = watch(rig.desktop, view);
    struct desktop_input input = {.kind = DESKTOP_TEXT};
    ck_assert(frames_input(watcher.socket, &input, text, SIZE));
    await_text(&receiver);
    stop_watching(&watcher);
    bool typed = type_text(rig.desktop, "ok", &why); // comes next
    ck_assert_msg(typed, "%s", why.what);
    receiver_read(&receiver, 300);
    ck_assert_uint_lt(receiver.text_size, SIZE);
    ck_assert_str_eq(receiver.text + receiver.text_size - 2, "ok");
    free(text);
    receiver_close(&receiver);
    rig_stop(&rig);
}
END_TEST

struct typing {
    struct desktop *desktop;
    const char *text;
    bool done;
};

static void *type_it(void *typing_)
{
    struct typing *typing = typing_;
    struct fail why;
    typing->done = type_text(typing->desktop, typing->text, &why);
    return NULL;
}

START_TEST(more_input_than_can_wait_leaves_nothing_pressed)
{
    struct rig rig = rig_start("640x480x24", NULL);
    struct receiver receiver;
    struct desktop_view view = plain_view();
    char text[1001] = "";
    memset(text, 'z', 1000); // four seconds in which nothing else is made
    struct typing typing = {.desktop = rig.desktop, .text = text};
    pthread_t typist;
    receiver_open(&receiver, rig.xvfb.display);
    view.may_input = true;
    struct watcher watcher = watch(rig.desktop, view);
    take_frames(&watcher, SOON_MS, 1);
    pthread_create(&typist, NULL, type_it, &typing);
    await_text(&receiver);
    struct desktop_input key = {.kind = DESKTOP_KEY, .action = DESKTOP_KEY_DOWN, .key = "ctrl"},
                         move = {.kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_MOVE};
    ck_assert(frames_input(watcher.socket, &key, NULL, 0));
    for (int i = 0; i < 600; i++) { // they take the room of one
        move.x = move.y = i % 400;
        ck_assert(frames_input(watcher.socket, &move, NULL, 0));
        sleep_ms(i % 50 == 0); // for the process to read them
    }
    key.action = DESKTOP_KEY_PRESS;
    snprintf(key.key, sizeof key.key, "b");
    for (int i = 0; i < 600; i++) {
        ck_assert(frames_input(watcher.socket, &key, NULL, 0));
        sleep_ms(i % 50 == 0);
    }
    key.action = DESKTOP_KEY_UP;
    snprintf(key.key, sizeof key.key, "ctrl");
    ck_assert(frames_input(watcher.socket, &key, NULL, 0));
    pthread_join(typist, NULL);
    ck_assert(typing.done);
    input_ok(rig.desktop, .kind = DESKTOP_KEY, .action = DESKTOP_KEY_PRESS, .key = "F5");
    char keys[32], none[32] = {0};
    for (unsigned i = 0; i < 200; i++) {
        receiver_read(&receiver, 100);
        XQueryKeymap(receiver.x, keys);
        if (memcmp(keys, none, sizeof none) == 0 && i > 2)
            break;
    }
    ck_assert_mem_eq(keys, none, sizeof none);
    unsigned pressed = 0;
    for (size_t i = 0; i < receiver.count; i++)
        pressed += receiver.events[i].type == KeyPress && receiver.events[i].keysym == 'b';
    ck_assert_uint_gt(pressed, 0);
    stop_watching(&watcher);
    receiver_close(&receiver);
    rig_stop(&rig);
}
END_TEST

START_TEST(the_pointer_moves_in_the_frames)
{
    struct rig rig = rig_start("800x600x24", NULL);
    open_display(&rig);
    fill(0x336699, 0, 0, 800, 600);
    struct watcher watcher = watch(rig.desktop, plain_view());
    take_frames(&watcher, SOON_MS, 1);
    unsigned before = watcher.frames;
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_MOVE, .x = 200,
             .y = 100);
    take_frames(&watcher, SOON_MS, before + 1);
    ck_assert_uint_gt(watcher.frames, before);
    unsigned changed = 0;
    for (unsigned y = 80; y < 130; y++)
        for (unsigned column = 180; column < 230; column++)
            changed += pixel_at(&watcher.last, column, y) != 0x336699;
    ck_assert_uint_gt(changed, 5);
    stop_watching(&watcher);
    rig_stop(&rig);
}
END_TEST

START_TEST(viewers_are_told_when_the_server_or_the_process_ends)
{
    struct rig rig = rig_start("800x600x24", NULL);
    struct watcher watcher = watch(rig.desktop, plain_view());
    take_frames(&watcher, SOON_MS, 1);
    kill(rig.xvfb.pid, SIGKILL);
    struct pollfd ready = {watcher.socket, POLLIN, 0};
    ck_assert_int_eq(poll(&ready, 1, SOON_MS), 1);
    struct desktop_frame frame;
    int png;
    while (frames_read(watcher.socket, &frame, &png) == FRAMES_ONE)
        close(png);
    ck_assert_int_eq(frames_read(watcher.socket, &frame, &png), FRAMES_END);
    stop_watching(&watcher);
    rig_stop(&rig);
}
END_TEST

CHECK_MAIN("frames", 300, the_first_frame_comes_at_once_and_changes_follow,
           an_unchanged_screen_is_repeated_a_few_times_and_then_silent,
           a_slow_viewer_gets_the_newest_picture_and_no_backlog, rates_and_bytes_are_kept,
           a_way_that_is_too_slow_gets_smaller_pictures_until_the_screen_is_quiet,
           frames_over_their_size_are_made_smaller_and_clicks_on_them_fit,
           many_viewers_see_the_same_and_one_too_many_is_told,
           a_viewer_s_input_needs_consent_and_fits_what_it_saw,
           a_text_ends_with_the_viewer_that_types_it,
           more_input_than_can_wait_leaves_nothing_pressed, the_pointer_moves_in_the_frames,
           viewers_are_told_when_the_server_or_the_process_ends)
