#include <X11/Xutil.h>
#include <X11/cursorfont.h>
#include <X11/extensions/Xrandr.h>
#include <pthread.h>
#include <signal.h>

#include "check_main.h"
#include "desktop_rig.h"

// Draws on the root window what can be told apart in a picture.
struct painter {
    Display *x;
    Window root;
    GC gc;
};

static struct painter painter_open(const struct xvfb *xvfb)
{
    struct painter painter = {.x = XOpenDisplay(xvfb->display)};
    ck_assert_ptr_nonnull(painter.x);
    painter.root = DefaultRootWindow(painter.x);
    painter.gc = XCreateGC(painter.x, painter.root, 0, NULL);
    return painter;
}

static void paint(struct painter *painter, uint32_t colour, int x, int y, unsigned width,
                  unsigned height)
{
    XSetForeground(painter->x, painter->gc, colour);
    XFillRectangle(painter->x, painter->root, painter->gc, x, y, width, height);
    XSync(painter->x, False);
}

static void move_pointer(struct painter *painter, int x, int y)
{
    XWarpPointer(painter->x, None, painter->root, 0, 0, 0, 0, x, y);
    XSync(painter->x, False);
}

START_TEST(a_solid_screen_has_its_colour)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct painter painter = painter_open(&rig.xvfb);
    struct desktop_picture picture;
    paint(&painter, 0x123456, 0, 0, 1280, 800);
    move_pointer(&painter, 1279, 799);
    struct decoded decoded = take_shot(rig.desktop, 1 << 20, &picture);
    ck_assert_uint_eq(decoded.width, 1280);
    ck_assert_uint_eq(decoded.height, 800);
    ck_assert_uint_eq(picture.native_width, 1280);
    ck_assert_uint_eq(picture.native_height, 800);
    for (unsigned y = 0; y < 780; y++)
        for (unsigned x = 0; x < 1260; x++)
            ck_assert_uint_eq(pixel_at(&decoded, x, y), 0x123456);
    free(decoded.rgb);
    rig_stop(&rig);
}
END_TEST

static const char *const screens[] = {"1366x768x24", "1279x799x24", "640x481x24",
                                      "333x257x16",  "320x240x15",  "401x301x30"};

// Vertical lines and areas of pure colours: a wrong stride or channel shows.
START_TEST(no_width_or_depth_shears_or_swaps)
{
    struct rig rig = rig_start(screens[_i], NULL);
    struct painter painter = painter_open(&rig.xvfb);
    const Visual *visual = DefaultVisual(painter.x, 0);
    unsigned width = (unsigned)DisplayWidth(painter.x, 0),
             height = (unsigned)DisplayHeight(painter.x, 0);
    const uint32_t channels[3] = {(uint32_t)visual->red_mask, (uint32_t)visual->green_mask,
                                  (uint32_t)visual->blue_mask};
    paint(&painter, 0, 0, 0, width, height);
    for (unsigned k = 0; k < 3; k++)
        paint(&painter, channels[k], 20 + 60 * (int)k, 10, 50, height - 10);
    paint(&painter, channels[0] | channels[1] | channels[2], 250, 0, 1, height);
    move_pointer(&painter, (int)width - 1, (int)height - 1);
    struct decoded decoded = shot(rig.desktop);
    static const uint32_t expected[3] = {0xff0000, 0x00ff00, 0x0000ff};
    for (unsigned y = 10; y < height - 30; y++) {
        for (unsigned k = 0; k < 3; k++)
            ck_assert_uint_eq(pixel_at(&decoded, 45 + 60 * k, y), expected[k]);
        ck_assert_uint_eq(pixel_at(&decoded, 249, y), 0);
        ck_assert_uint_eq(pixel_at(&decoded, 250, y), 0xffffff);
        ck_assert_uint_eq(pixel_at(&decoded, 251, y), 0);
    }
    free(decoded.rgb);
    rig_stop(&rig);
}
END_TEST

START_TEST(the_pointer_is_in_the_picture_where_it_is)
{
    struct rig rig = rig_start("640x480x24", NULL);
    struct painter painter = painter_open(&rig.xvfb);
    XDefineCursor(painter.x, painter.root, XCreateFontCursor(painter.x, XC_crosshair));
    paint(&painter, 0x8090a0, 0, 0, 640, 480);
    static const int places[][2] = {{320, 240}, {100, 50}, {600, 400}};
    for (size_t i = 0; i < 3; i++) {
        move_pointer(&painter, places[i][0], places[i][1]);
        struct decoded decoded = shot(rig.desktop);
        unsigned near = 0, far = 0;
        for (unsigned y = 0; y < 480; y++)
            for (unsigned x = 0; x < 640; x++)
                if (pixel_at(&decoded, x, y) != 0x8090a0) {
                    bool close =
                        abs((int)x - places[i][0]) <= 16 && abs((int)y - places[i][1]) <= 16;
                    near += close;
                    far += !close;
                }
        ck_assert_uint_gt(near, 5);
        ck_assert_uint_eq(far, 0);
        free(decoded.rgb);
    }
    rig_stop(&rig);
}
END_TEST

static char *const no_shm[] = {"-extension", "MIT-SHM", NULL};
// Xvfb itself dies when a client leaves it without XFIXES; without DAMAGE and Composite it lives.
static char *const no_damage[] = {"-extension", "DAMAGE", "-extension", "Composite", NULL};
static char *const no_randr[] = {"-extension", "RANDR", NULL};
static char *const *const lacks[] = {no_shm, no_damage, no_randr};

START_TEST(an_extension_less_is_no_hindrance)
{
    struct rig rig = rig_start("800x600x24", lacks[_i]);
    struct painter painter = painter_open(&rig.xvfb);
    for (unsigned i = 0; i < 3; i++) {
        paint(&painter, 0x102030 * (i + 1), 0, 0, 800, 600);
        struct decoded decoded = shot(rig.desktop);
        ck_assert_uint_eq(pixel_at(&decoded, 700, 500), 0x102030 * (i + 1));
        free(decoded.rgb);
    }
    rig_stop(&rig);
}
END_TEST

static char *const no_xtest[] = {"-tst", NULL};

START_TEST(a_display_that_cannot_be_driven_says_so)
{
    struct rig rig = rig_start("800x600x24", no_xtest);
    desktop_use(rig.desktop, rig.xvfb.display, rig.xvfb.cookie); // whatever else runs here
    struct desktop_state state;
    desktop_look(rig.desktop, &state);
    ck_assert(!state.available);
    ck_assert_ptr_nonnull(strstr(state.reason, "XTEST"));
    struct desktop_shot wanted = {.budget = 1 << 20};
    struct desktop_picture picture;
    struct fail why;
    ck_assert(!desktop_screenshot(rig.desktop, NULL, &wanted, &picture, &why));
    ck_assert_int_eq(why.kind, FAIL_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why.what, "XTEST"));
    rig_stop(&rig);
}
END_TEST

START_TEST(eight_bits_a_pixel_are_refused_by_name)
{
    struct rig rig = rig_start("800x600x8", NULL);
    desktop_use(rig.desktop, rig.xvfb.display, rig.xvfb.cookie); // whatever else runs here
    struct desktop_state state;
    desktop_look(rig.desktop, &state);
    ck_assert(!state.available);
    ck_assert_ptr_nonnull(strstr(state.reason, "8 bits"));
    ck_assert_ptr_nonnull(strstr(state.reason, "PseudoColor"));
    rig_stop(&rig);
}
END_TEST

START_TEST(without_the_cookie_permission_is_not_granted)
{
    struct rig rig = rig_start("800x600x24", NULL);
    struct desktop_options options = {.program = DESKTOP_PROGRAM, .display = rig.xvfb.display};
    struct desktop *other = desktop_new(&options);
    desktop_use(other, rig.xvfb.display, NULL); // whatever else runs here
    struct desktop_state state;
    desktop_look(other, &state);
    ck_assert(!state.available);
    ck_assert_ptr_nonnull(strstr(state.reason, "permission is not granted"));
    desktop_free(other);

    struct xvfb wrong = rig.xvfb;
    snprintf(wrong.cookie, sizeof wrong.cookie, "%s/wrong", rig.xvfb.directory);
    FILE *file = fopen(wrong.cookie, "w");
    fwrite("\xff\xff\0\0\0\0\0\x12MIT-MAGIC-COOKIE-1\0\x10"
           "0123456789abcdef",
           1, 44, file);
    fclose(file);
    other = rig_desktop(&wrong);
    desktop_use(other, wrong.display, wrong.cookie);
    desktop_look(other, &state);
    ck_assert(!state.available);
    ck_assert_ptr_nonnull(strstr(state.reason, "permission is not granted"));
    ck_assert_ptr_null(strstr(state.reason, wrong.cookie));
    desktop_free(other);
    unlink(wrong.cookie);

    desktop_look(rig.desktop, &state);
    ck_assert(state.available);
    ck_assert_str_eq(state.display, rig.xvfb.display);
    ck_assert_str_eq(state.xauthority, rig.xvfb.cookie);
    ck_assert_uint_eq(state.width, 800);
    rig_stop(&rig);
}
END_TEST

START_TEST(nothing_there_is_quick_and_gives_no_reason)
{
    struct desktop_options options = {.program = DESKTOP_PROGRAM, .display = ":1234"};
    struct desktop *desktop = desktop_new(&options);
    desktop_use(desktop, ":1234", NULL);
    struct desktop_state state;
    int64_t start = clock_mono_ms();
    desktop_look(desktop, &state);
    ck_assert_int_lt(clock_mono_ms() - start, 20000);
    ck_assert(!state.available);
    ck_assert_str_eq(state.reason, "");
    struct desktop_shot wanted = {.budget = 1 << 20};
    struct desktop_picture picture;
    struct fail why;
    ck_assert(!desktop_screenshot(desktop, NULL, &wanted, &picture, &why));
    ck_assert_int_eq(why.kind, FAIL_UNSUPPORTED);
    ck_assert_str_eq(why.what, "no desktop display available on this host (headless; enable "
                               "--virtual-desktop)");
    desktop_free(desktop);
}
END_TEST

START_TEST(a_missing_program_is_named_not_fatal)
{
    struct rig rig = rig_start("800x600x24", NULL);
    struct desktop_options options = {.program = "/nonexistent/desktop",
                                      .display = rig.xvfb.display,
                                      .xauthority = rig.xvfb.cookie};
    struct desktop *desktop = desktop_new(&options);
    struct desktop_state state;
    desktop_look(desktop, &state);
    ck_assert(!state.available);
    ck_assert_ptr_nonnull(strstr(state.reason, "cannot be started"));
    desktop_free(desktop);
    rig_stop(&rig);
}
END_TEST

static void set_size(struct painter *painter, int width, int height)
{
    XRRSetScreenSize(painter->x, painter->root, width, height, width / 4, height / 4);
    XSync(painter->x, False);
}

START_TEST(a_resize_is_seen_by_the_next_picture)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct painter painter = painter_open(&rig.xvfb);
    static const int sizes[][2] = {{1024, 768}, {640, 480}, {1279, 799}, {800, 600}};
    struct desktop_picture picture;
    free(take_shot(rig.desktop, 8 << 20, &picture).rgb);
    // The CRTC has to be off for the screen to get smaller than its mode.
    XRRScreenResources *resources = XRRGetScreenResourcesCurrent(painter.x, painter.root);
    for (int i = 0; i < resources->ncrtc; i++)
        XRRSetCrtcConfig(painter.x, resources, resources->crtcs[i], CurrentTime, 0, 0, None,
                         RR_Rotate_0, NULL, 0);
    for (size_t i = 0; i < 4; i++) {
        set_size(&painter, sizes[i][0], sizes[i][1]);
        free(take_shot(rig.desktop, 8 << 20, &picture).rgb);
        ck_assert_uint_eq(picture.native_width, (unsigned)sizes[i][0]);
        ck_assert_uint_eq(picture.native_height, (unsigned)sizes[i][1]);
    }
    XRRFreeScreenResources(resources);
    rig_stop(&rig);
}
END_TEST

struct resizing {
    struct painter *painter;
    volatile bool stop;
};

static void *keep_resizing(void *resizing_)
{
    struct resizing *resizing = resizing_;
    for (unsigned i = 0; !resizing->stop; i++) {
        set_size(resizing->painter, 400 + (int)(i * 37 % 500), 300 + (int)(i * 53 % 400));
        sleep_ms(1);
    }
    return NULL;
}

START_TEST(pictures_are_taken_while_the_screen_changes_its_size)
{
    struct rig rig = rig_start("1280x800x24", NULL);
    struct painter painter = painter_open(&rig.xvfb);
    XRRScreenResources *resources = XRRGetScreenResourcesCurrent(painter.x, painter.root);
    for (int i = 0; i < resources->ncrtc; i++)
        XRRSetCrtcConfig(painter.x, resources, resources->crtcs[i], CurrentTime, 0, 0, None,
                         RR_Rotate_0, NULL, 0);
    struct resizing resizing = {&painter, false};
    pthread_t thread;
    pthread_create(&thread, NULL, keep_resizing, &resizing);
    unsigned taken = 0;
    for (unsigned i = 0; i < 150; i++) {
        struct desktop_shot wanted = {.budget = 8 << 20};
        struct desktop_picture picture;
        struct fail why;
        if (!desktop_screenshot(rig.desktop, NULL, &wanted, &picture, &why)) {
            ck_assert_str_eq(why.what, "GetImage: the screen keeps changing its size");
            continue;
        }
        free(decode_file(picture.fd, picture.bytes).rgb);
        taken++;
    }
    resizing.stop = true;
    pthread_join(thread, NULL);
    ck_assert_uint_gt(taken, 100);
    XRRFreeScreenResources(resources);
    rig_stop(&rig);
}
END_TEST

struct taker {
    struct desktop *desktop;
    unsigned taken;
};

static void *take_some(void *taker_)
{
    struct taker *taker = taker_;
    for (unsigned i = 0; i < 10; i++) {
        struct desktop_picture picture;
        free(take_shot(taker->desktop, 8 << 20, &picture).rgb);
        taker->taken += picture.native_width == 800;
    }
    return NULL;
}

START_TEST(many_callers_at_once_all_get_their_picture)
{
    enum { THREADS = 16 };
    struct rig rig = rig_start("800x600x24", NULL);
    struct taker takers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){rig.desktop, 0};
        pthread_create(&threads[i], NULL, take_some, &takers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(takers[i].taken, 10);
    }
    rig_stop(&rig);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("screen");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, a_solid_screen_has_its_colour);
    tcase_add_loop_test(tests, no_width_or_depth_shears_or_swaps, 0,
                        sizeof screens / sizeof *screens);
    tcase_add_test(tests, the_pointer_is_in_the_picture_where_it_is);
    tcase_add_loop_test(tests, an_extension_less_is_no_hindrance, 0, 3);
    tcase_add_test(tests, a_display_that_cannot_be_driven_says_so);
    tcase_add_test(tests, eight_bits_a_pixel_are_refused_by_name);
    tcase_add_test(tests, without_the_cookie_permission_is_not_granted);
    tcase_add_test(tests, nothing_there_is_quick_and_gives_no_reason);
    tcase_add_test(tests, a_missing_program_is_named_not_fatal);
    tcase_add_test(tests, a_resize_is_seen_by_the_next_picture);
    tcase_add_test(tests, pictures_are_taken_while_the_screen_changes_its_size);
    tcase_add_test(tests, many_callers_at_once_all_get_their_picture);
    return check_run_case("screen", tests);
}
