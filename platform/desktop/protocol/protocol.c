#include "desktop_protocol/protocol.h"

#include <string.h>

static bool ends(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

bool desktop_marks_any(const struct desktop_marks *marks)
{
    static const struct desktop_marks none;
    return memcmp(marks, &none, sizeof none) != 0;
}

static bool input_valid(const struct desktop_input *input, bool with_fd)
{
    if (input->kind < DESKTOP_POINTER || input->kind > DESKTOP_TEXT)
        return false;
    if (!ends(input->key, sizeof input->key))
        return false;
    bool text = input->kind == DESKTOP_TEXT;
    return with_fd == text && input->text_bytes <= (text ? DESKTOP_TEXT_BYTES_MAX : 0);
}

bool desktop_request_valid(const void *data, size_t size, bool with_fd)
{
    const struct desktop_request *request = data;
    if (size != sizeof *request || request->version != DESKTOP_PROTOCOL_VERSION)
        return false;
    if (request->ask == DESKTOP_INPUT)
        return input_valid(&request->input, with_fd);
    if (with_fd)
        return false;
    if (request->ask == DESKTOP_OPEN)
        return ends(request->open.display, sizeof request->open.display) &&
               ends(request->open.xauthority, sizeof request->open.xauthority);
    return request->ask >= DESKTOP_OPEN && request->ask <= DESKTOP_RELEASE;
}

static bool size_valid(uint32_t width, uint32_t height)
{
    return width > 0 && height > 0 && width <= DESKTOP_SIDE_MAX && height <= DESKTOP_SIDE_MAX;
}

bool desktop_answer_valid(const void *data, size_t size, bool with_fd)
{
    const struct desktop_answer *answer = data;
    if (size != sizeof *answer || answer->version != DESKTOP_PROTOCOL_VERSION)
        return false;
    if (answer->ask < DESKTOP_OPEN || answer->ask > DESKTOP_RELEASE ||
        answer->fail_kind > FAIL_STREAM || !ends(answer->what, sizeof answer->what))
        return false;
    if (answer->fail_kind != FAIL_NONE)
        return !with_fd;
    switch (answer->ask) {
    case DESKTOP_OPEN:
        return !with_fd && ends(answer->open.text, sizeof answer->open.text) &&
               answer->open.opened >= DESKTOP_OPENED && answer->open.opened <= DESKTOP_REMOTE &&
               (answer->open.opened != DESKTOP_OPENED ||
                size_valid(answer->open.width, answer->open.height));
    case DESKTOP_SCREENSHOT:
        return with_fd && answer->screenshot.bytes <= DESKTOP_PNG_BYTES_MAX &&
               size_valid(answer->screenshot.width, answer->screenshot.height) &&
               size_valid(answer->screenshot.native_width, answer->screenshot.native_height);
    case DESKTOP_FRAMES:
    case DESKTOP_RFB:
        return with_fd;
    default:
        return !with_fd;
    }
}

bool desktop_frame_valid(const void *data, size_t size, bool with_fd)
{
    const struct desktop_frame *frame = data;
    return with_fd && size == sizeof *frame && frame->version == DESKTOP_PROTOCOL_VERSION &&
           frame->bytes <= DESKTOP_PNG_BYTES_MAX && size_valid(frame->width, frame->height) &&
           size_valid(frame->native_width, frame->native_height);
}

bool desktop_note_valid(const void *data, size_t size, bool with_fd)
{
    const struct desktop_note *note = data;
    if (size != sizeof *note || note->version != DESKTOP_PROTOCOL_VERSION)
        return false;
    if (note->kind == DESKTOP_NOTE_INPUT)
        return input_valid(&note->input, with_fd);
    return !with_fd && (note->kind == DESKTOP_TAKEN || note->kind == DESKTOP_FRESH);
}

void desktop_answer_fail(struct desktop_answer *answer, const struct fail *why)
{
    answer->fail_kind = why->kind;
    answer->error = why->error;
    answer->size = why->size;
    answer->size_max = why->size_max;
    memcpy(answer->what, why->what, sizeof answer->what);
}

bool desktop_answer_ok(const struct desktop_answer *answer, struct fail *why)
{
    if (answer->fail_kind == FAIL_NONE)
        return true;
    fail_because(why, answer->fail_kind, "%s", answer->what);
    if (why) {
        why->error = answer->error;
        why->size = answer->size;
        why->size_max = answer->size_max;
    }
    return false;
}
