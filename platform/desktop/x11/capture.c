#include "desktop_x11/capture.h"

#include <X11/Xutil.h>
#include <X11/extensions/XShm.h>
#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "base/alloc.h"
#include "desktop_x11/xerror.h"

struct frame_memory {
    atomic_uint refs;
    struct pixels pixels;
    XShmSegmentInfo segment; // shmid -1: plain memory
    void *bytes;
};

struct frame_memory *frame_memory_ref(struct frame_memory *memory)
{
    atomic_fetch_add(&memory->refs, 1);
    return memory;
}

void frame_memory_unref(struct frame_memory *memory)
{
    if (!memory || atomic_fetch_sub(&memory->refs, 1) > 1)
        return;
    if (memory->segment.shmid >= 0)
        shmdt(memory->bytes);
    else
        mem_free(memory->bytes);
    mem_free(memory);
}

const struct pixels *frame_memory_pixels(const struct frame_memory *memory)
{
    return &memory->pixels;
}

void capture_init(struct capture *capture, struct display *display)
{
    *capture = (struct capture){.display = display, .try_share = XShmQueryExtension(display->x)};
}

static void drop(struct capture *capture)
{
    if (capture->shared)
        XShmDetach(capture->display->x, &capture->memory->segment);
    if (capture->image) {
        capture->image->data = NULL; // belongs to the memory
        XDestroyImage(capture->image);
    }
    frame_memory_unref(capture->memory);
    capture->image = NULL;
    capture->memory = NULL;
    capture->shared = false;
}

void capture_fini(struct capture *capture)
{
    drop(capture);
}

// A segment that only this user may open, and that is gone with the last process that has it: it is
// marked for removal before anyone else could see it (Linux still lets the server attach by
// number).
static bool share(struct capture *capture, size_t size)
{
    Display *x = capture->display->x;
    XShmSegmentInfo *segment = &capture->memory->segment;
    segment->shmid = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    if (segment->shmid < 0)
        return false;
    segment->shmaddr = shmat(segment->shmid, NULL, 0);
    shmctl(segment->shmid, IPC_RMID, NULL);
    if (segment->shmaddr == (void *)-1) {
        segment->shmid = -1;
        return false;
    }
    segment->readOnly = False;
    capture->memory->bytes = segment->shmaddr;
    xerror_take(x);
    struct fail why;
    if (XShmAttach(x, segment) && xerror_sync(x, "share memory", &why))
        return true;
    shmdt(segment->shmaddr); // the server is another user's, or in another container
    segment->shmid = -1;
    capture->memory->bytes = NULL;
    return false;
}

static XImage *make_image(struct capture *capture)
{
    const struct display *display = capture->display;
    int screen = DefaultScreen(display->x);
    Visual *visual = DefaultVisual(display->x, screen);
    unsigned depth = (unsigned)DefaultDepth(display->x, screen);
    XImage *image =
        capture->try_share
            ? XShmCreateImage(display->x, visual, depth, ZPixmap, NULL, &capture->memory->segment,
                              display->width, display->height)
            : XCreateImage(display->x, visual, depth, ZPixmap, 0, NULL, display->width,
                           display->height, BitmapPad(display->x), 0);
    return image && (unsigned)image->bits_per_pixel == display->format.bits_per_pixel ? image
                                                                                      : NULL;
}

static bool renew(struct capture *capture, struct fail *why)
{
    const struct display *display = capture->display;
    drop(capture);
    if (display->width > DESKTOP_SIDE_MAX || display->height > DESKTOP_SIDE_MAX)
        return fail_because(why, FAIL_UNSUPPORTED, "the screen is too large");
    struct frame_memory *memory = mem_new(struct frame_memory);
    atomic_init(&memory->refs, 1);
    memory->segment.shmid = -1;
    capture->memory = memory;
    capture->image = make_image(capture);
    if (!capture->image)
        return fail_because(why, FAIL_SYSTEM, "no memory for an image of the screen");
    size_t stride = (size_t)capture->image->bytes_per_line, size = stride * display->height;
    capture->shared = capture->try_share && share(capture, size);
    capture->try_share = capture->shared;
    if (xerror_lost(display->x))
        return xerror_lost_fail(why);
    if (!capture->shared)
        memory->bytes = mem_array(display->height, stride);
    memory->pixels =
        (struct pixels){display->format, display->width, display->height, stride, memory->bytes};
    capture->image->data = memory->bytes;
    return true;
}

bool capture_prepare(struct capture *capture, bool *renewed, struct fail *why)
{
    *renewed = false;
    if (!display_update(capture->display, why))
        return false;
    const struct pixels *pixels = capture->memory ? &capture->memory->pixels : NULL;
    if (pixels && pixels->data && pixels->width == capture->display->width &&
        pixels->height == capture->display->height)
        return true;
    *renewed = true;
    return renew(capture, why);
}

static bool fetch_shared(struct capture *capture, unsigned first, unsigned rows)
{
    // The image is told to be some rows of itself; the server writes to where its data points.
    XImage *image = capture->image;
    const struct display *display = capture->display;
    int height = image->height;
    image->height = (int)rows;
    image->data = (char *)capture->memory->bytes + first * capture->memory->pixels.stride;
    bool fetched = XShmGetImage(display->x, display->root, image, display->left,
                                display->top + (int)first, AllPlanes);
    image->height = height;
    image->data = capture->memory->bytes;
    return fetched;
}

static bool fetch_copied(struct capture *capture, unsigned first, unsigned rows)
{
    const struct display *display = capture->display;
    size_t stride = capture->memory->pixels.stride;
    XImage *image = XGetImage(display->x, display->root, display->left, display->top + (int)first,
                              display->width, rows, AllPlanes, ZPixmap);
    if (!image)
        return false;
    size_t theirs = (size_t)image->bytes_per_line, both = theirs < stride ? theirs : stride;
    for (unsigned y = 0; y < rows; y++)
        memcpy((char *)capture->memory->bytes + (first + y) * stride, image->data + y * theirs,
               both);
    XDestroyImage(image);
    return true;
}

bool capture_rows(struct capture *capture, unsigned first, unsigned rows, bool *resized,
                  struct fail *why)
{
    assert(rows > 0 && first + rows <= capture->memory->pixels.height);
    Display *x = capture->display->x;
    *resized = false;
    bool fetched =
        capture->shared ? fetch_shared(capture, first, rows) : fetch_copied(capture, first, rows);
    if (xerror_lost(x))
        return xerror_lost_fail(why);
    int code = xerror_take(x);
    if (fetched && code == Success)
        return true;
    if (code == BadMatch) { // part of the region is outside the screen now
        *resized = true;
        return true;
    }
    return fail_because(why, FAIL_SYSTEM, "GetImage: X error %d", code);
}
