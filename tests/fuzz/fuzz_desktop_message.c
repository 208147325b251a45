// Whatever comes over the sockets between the daemon and the desktop process: what is taken for a
// message can be used without a look beyond it, and only with the descriptor that belongs to it.
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "desktop_protocol/display_name.h"
#include "desktop_protocol/protocol.h"

static void text(const char *at, size_t room)
{
    assert(strnlen(at, room) < room);
}

static void input(const struct desktop_input *event, bool with_fd)
{
    text(event->key, sizeof event->key);
    assert(event->kind >= DESKTOP_POINTER && event->kind <= DESKTOP_TEXT);
    assert(with_fd == (event->kind == DESKTOP_TEXT));
    assert(event->text_bytes <= DESKTOP_TEXT_BYTES_MAX);
}

static void request(const struct desktop_request *got, bool with_fd)
{
    assert(got->version == DESKTOP_PROTOCOL_VERSION);
    if (got->ask == DESKTOP_OPEN) {
        unsigned number;
        text(got->open.display, sizeof got->open.display);
        text(got->open.xauthority, sizeof got->open.xauthority);
        if (display_name_number(got->open.display, &number))
            assert(number <= 65535);
    } else if (got->ask == DESKTOP_INPUT) {
        input(&got->input, with_fd);
    }
}

static void answer(const struct desktop_answer *got, bool with_fd)
{
    struct fail why;
    text(got->what, sizeof got->what);
    bool ok = desktop_answer_ok(got, &why);
    assert(ok || !with_fd);
    if (!ok) {
        struct desktop_answer again = *got;
        desktop_answer_fail(&again, &why);
        assert(desktop_answer_valid(&again, sizeof again, false));
        return;
    }
    if (got->ask == DESKTOP_OPEN)
        text(got->open.text, sizeof got->open.text);
    if (got->ask == DESKTOP_SCREENSHOT)
        assert(got->screenshot.width > 0 && got->screenshot.bytes <= DESKTOP_PNG_BYTES_MAX);
}

static void check(const void *message, size_t size)
{
    for (int with_fd = 0; with_fd < 2; with_fd++) {
        if (desktop_request_valid(message, size, with_fd))
            request(message, with_fd);
        if (desktop_answer_valid(message, size, with_fd))
            answer(message, with_fd);
        if (desktop_frame_valid(message, size, with_fd))
            assert(with_fd && ((const struct desktop_frame *)message)->height > 0);
        if (desktop_note_valid(message, size, with_fd) &&
            ((const struct desktop_note *)message)->kind == DESKTOP_NOTE_INPUT)
            input(&((const struct desktop_note *)message)->input, with_fd);
    }
}

// As it is, and at the size of each message: what follows the input is zero.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t sizes[] = {size, sizeof(struct desktop_request), sizeof(struct desktop_answer),
                            sizeof(struct desktop_frame), sizeof(struct desktop_note)};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *message = calloc(1, sizes[i] ? sizes[i] : 1); // of exactly that size, and aligned
        memcpy(message, data, size < sizes[i] ? size : sizes[i]);
        check(message, sizes[i]);
        free(message);
    }
    return 0;
}
