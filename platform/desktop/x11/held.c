#include "desktop_x11/held.h"

#include <X11/extensions/XTest.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/log.h"

struct held_page {
    struct desktop_marks marks;
    uint32_t version;
    char display[DESKTOP_NAME_BYTES_MAX];
    struct {
        uint32_t code, keysym;
    } spares[KEYBOARD_SPARES_MAX]; // as many as the marks say
};

_Static_assert(sizeof(struct held_page) <= DESKTOP_HELD_BYTES, "fits into its memory");

enum { VERSION = 2 };

bool held_any(const struct held *held)
{
    static const struct held none;
    return held->buttons != 0 || memcmp(held->keys, none.keys, sizeof none.keys) != 0;
}

static bool get_bit(const uint8_t keys[HELD_KEY_BYTES], unsigned code)
{
    return keys[code / 8 % HELD_KEY_BYTES] >> code % 8 & 1;
}

static void set_bit(uint8_t keys[HELD_KEY_BYTES], unsigned code, bool set)
{
    uint8_t bit = (uint8_t)(1u << code % 8), *byte = &keys[code / 8 % HELD_KEY_BYTES];
    *byte = (uint8_t)(set ? *byte | bit : *byte & ~bit);
}

bool held_key(const struct held *held, unsigned code)
{
    return get_bit(held->keys, code);
}

void held_set_key(struct held *held, unsigned code, bool down)
{
    set_bit(held->keys, code, down);
}

struct held_page *held_page_open(int fd, struct fail *why)
{
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_size < DESKTOP_HELD_BYTES)) {
        fail_because(why, FAIL_PROTOCOL, "the memory for held keys is too small");
        return NULL;
    }
    void *page = mmap(NULL, DESKTOP_HELD_BYTES, PROT_READ | PROT_WRITE,
                      fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
    if (page == MAP_FAILED) {
        fail_errno(why, errno, "mmap", NULL);
        return NULL;
    }
    return page;
}

void held_page_close(struct held_page *page)
{
    if (page)
        munmap(page, DESKTOP_HELD_BYTES);
}

void held_page_key(struct held_page *page, unsigned code, bool down)
{
    set_bit(page->marks.keys, code, down);
}

void held_page_button(struct held_page *page, unsigned button, bool down)
{
    if (down)
        page->marks.buttons |= 1u << button;
    else
        page->marks.buttons &= ~(1u << button);
}

void held_page_spares(struct held_page *page, const struct spare *spares, unsigned count)
{
    page->marks.spares = 0;
    for (unsigned i = 0; i < count && i < KEYBOARD_SPARES_MAX; i++)
        if (spares[i].keysym != NoSymbol) {
            page->spares[page->marks.spares].code = spares[i].code;
            page->spares[page->marks.spares++].keysym = (uint32_t)spares[i].keysym;
        }
}

// Only a key that still has what we put there; the user may have loaded another keymap since.
static void recover_spares(struct held_page *page, struct keyboard *keyboard)
{
    unsigned count = page->marks.spares;
    for (unsigned i = 0; i < count && i < KEYBOARD_SPARES_MAX; i++) {
        unsigned code = page->spares[i].code;
        int min, max, width;
        XDisplayKeycodes(keyboard->x, &min, &max);
        if (code < (unsigned)min || code > (unsigned)max)
            continue;
        KeySym *now = XGetKeyboardMapping(keyboard->x, (KeyCode)code, 1, &width);
        if (now && width > 0 && now[0] == page->spares[i].keysym) {
            KeySym none[2] = {NoSymbol, NoSymbol};
            XChangeKeyboardMapping(keyboard->x, (int)code, 2, none, 1);
        }
        if (now)
            XFree(now);
    }
}

void held_page_recover(struct held_page *page, const char *display, struct keyboard *keyboard)
{
    page->display[sizeof page->display - 1] = '\0';
    bool ours = page->version == VERSION && strcmp(page->display, display) == 0;
    if (ours && desktop_marks_any(&page->marks)) {
        log_warn("an earlier process left keys or buttons pressed; releasing them", NULL);
        for (unsigned code = 8; code < 256; code++)
            if (get_bit(page->marks.keys, code))
                XTestFakeKeyEvent(keyboard->x, code, False, CurrentTime);
        for (unsigned button = 1; button < 32; button++)
            if (page->marks.buttons >> button & 1)
                XTestFakeButtonEvent(keyboard->x, button, False, CurrentTime);
        recover_spares(page, keyboard);
        XSync(keyboard->x, False);
    }
    memset(page, 0, sizeof *page);
    page->version = VERSION;
    snprintf(page->display, sizeof page->display, "%s", display);
}
