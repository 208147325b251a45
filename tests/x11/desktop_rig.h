// What every test of the desktop needs: an X server, the daemon's side of the desktop with the real
// desktop process, pictures decoded, input as one line.
#pragma once

#include <X11/Xlib.h>
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "desktop_client/desktop.h"
#include "desktop_client/frames.h"
#include "pictures.h"
#include "receiver.h"
#include "xvfb.h"

struct rig {
    struct xvfb xvfb;
    struct desktop *desktop;
};

static inline struct desktop *rig_desktop(const struct xvfb *xvfb)
{
    struct desktop_options options = {
        .program = DESKTOP_PROGRAM, .display = xvfb->display, .xauthority = xvfb->cookie};
    return desktop_new(&options);
}

static inline struct rig rig_start(const char *screen, char *const *options)
{
    struct rig rig = {0};
    if (!xvfb_start(&rig.xvfb, screen, true, options)) {
        fprintf(stderr, "no Xvfb here: skipped\n");
        exit(EXIT_SUCCESS);
    }
    setenv("XAUTHORITY", rig.xvfb.cookie, 1); // for the test's own connections
    rig.desktop = rig_desktop(&rig.xvfb);
    return rig;
}

static inline void rig_stop(struct rig *rig)
{
    desktop_free(rig->desktop);
    xvfb_stop(&rig->xvfb);
}

static inline struct decoded decode_file(int fd, size_t bytes)
{
    struct iovec piece = {malloc(bytes), bytes};
    ck_assert_int_eq(pread(fd, piece.iov_base, bytes, 0), (ssize_t)bytes);
    close(fd);
    struct decoded decoded = png_decode(&piece, 1);
    free(piece.iov_base);
    return decoded;
}

static inline uint32_t pixel_at(const struct decoded *decoded, unsigned x, unsigned y)
{
    const uint8_t *rgb = decoded->rgb + ((size_t)y * decoded->width + x) * 3;
    return (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
}

static inline struct decoded take_shot(struct desktop *desktop, size_t budget,
                                       struct desktop_picture *picture)
{
    struct desktop_shot shot = {.budget = budget};
    struct fail why;
    bool taken = desktop_screenshot(desktop, NULL, &shot, picture, &why);
    ck_assert_msg(taken, "%s", why.what);
    ck_assert_uint_le(picture->bytes, budget);
    struct decoded decoded = decode_file(picture->fd, picture->bytes);
    ck_assert_uint_eq(decoded.width, picture->width);
    ck_assert_uint_eq(decoded.height, picture->height);
    return decoded;
}

static inline struct decoded shot(struct desktop *desktop)
{
    struct desktop_picture picture;
    return take_shot(desktop, 8 << 20, &picture);
}

#define input_ok(desktop, ...)                                              \
    do {                                                                    \
        struct desktop_input input_ = {__VA_ARGS__};                        \
        struct fail why_;                                                   \
        bool done_ = desktop_input(desktop, NULL, &input_, NULL, 0, &why_); \
        ck_assert_msg(done_, "%s", why_.what);                              \
    } while (0)

static inline bool type_text(struct desktop *desktop, const char *text, struct fail *why)
{
    struct desktop_input input = {.kind = DESKTOP_TEXT};
    return desktop_input(desktop, NULL, &input, text, strlen(text), why);
}

static inline bool press_keys(struct desktop *desktop, const char *keys,
                              enum desktop_key_action action, struct fail *why)
{
    struct desktop_input input = {.kind = DESKTOP_KEY, .action = action};
    snprintf(input.key, sizeof input.key, "%s", keys);
    return desktop_input(desktop, NULL, &input, NULL, 0, why);
}

// What a viewer makes has no answer: it is waited for, and whether more comes.
static inline void receiver_hears(struct receiver *receiver, const char *story)
{
    int64_t end = clock_mono_ms() + 20000;
    do
        receiver_read(receiver, 50);
    while (strcmp(receiver_story(receiver, false), story) != 0 && clock_mono_ms() < end);
    receiver_read(receiver, 250);
    ck_assert_str_eq(receiver_story(receiver, false), story);
}

static inline void run_wait(const struct xvfb *xvfb, const char *command)
{
    char *const arguments[] = {"sh", "-c", (char *)command, NULL};
    pid_t pid = xvfb_run(xvfb, arguments);
    int status = -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "%s", command);
}
