#include "desktop_client/frames.h"

#include <errno.h>
#include <sys/uio.h>

#include "base/io.h"
#include "desktop_protocol/message.h"
#include "desktop_protocol/sealed.h"

enum frames_result frames_read(int socket, struct desktop_frame *frame, int *png)
{
    struct fail why;
    ssize_t size = message_receive(socket, frame, sizeof *frame, png);
    if (size < 0 && errno == EAGAIN)
        return FRAMES_NONE;
    if (size > 0 && desktop_frame_valid(frame, (size_t)size, *png >= 0) &&
        sealed_check(*png, frame->bytes, &why))
        return FRAMES_ONE;
    io_close(png);
    return FRAMES_END;
}

static bool send_note(int socket, struct desktop_note *note, int fd)
{
    note->version = DESKTOP_PROTOCOL_VERSION;
    return message_send(socket, note, sizeof *note, fd);
}

bool frames_taken(int socket)
{
    return send_note(socket, &(struct desktop_note){.kind = DESKTOP_TAKEN}, -1);
}

bool frames_fresh(int socket)
{
    return send_note(socket, &(struct desktop_note){.kind = DESKTOP_FRESH}, -1);
}

bool frames_input(int socket, struct desktop_input *input, const char *text, size_t text_bytes)
{
    struct fail why;
    int fd = -1;
    input->text_bytes = 0;
    if (input->kind == DESKTOP_TEXT) {
        if (text_bytes > DESKTOP_TEXT_BYTES_MAX)
            return true; // nobody is told; it is dropped
        input->text_bytes = (uint32_t)text_bytes;
        fd = sealed_new("opengeni-text", &(struct iovec){(void *)text, text_bytes}, 1, &why);
        if (fd < 0)
            return true;
    }
    bool sent =
        send_note(socket, &(struct desktop_note){.kind = DESKTOP_NOTE_INPUT, .input = *input}, fd);
    io_close(&fd);
    return sent || errno == EAGAIN;
}
