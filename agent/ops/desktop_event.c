#include "ops/desktop_event.h"

#include <string.h>

void desktop_event_pointer(const Og__PointerEvent *event, struct desktop_input *input)
{
    input->kind = DESKTOP_POINTER;
    input->action = (uint32_t)event->action;
    input->button = (uint32_t)event->button;
    input->x = event->x;
    input->y = event->y;
}

void desktop_event_scroll(const Og__ScrollEvent *event, struct desktop_input *input)
{
    input->kind = DESKTOP_SCROLL;
    input->x = event->x;
    input->y = event->y;
    input->dx = event->delta_x;
    input->dy = event->delta_y;
}

bool desktop_event_key(const Og__KeyEvent *event, struct desktop_input *input, const char **text,
                       struct fail *why)
{
    input->action = (uint32_t)event->action;
    if (event->is_text) {
        input->kind = DESKTOP_TEXT;
        *text = event->key;
        return true;
    }
    size_t size = strlen(event->key);
    if (size > DESKTOP_KEY_BYTES_MAX)
        return fail_because(why, FAIL_UNSUPPORTED, "key: a chord has at most %d bytes",
                            DESKTOP_KEY_BYTES_MAX);
    input->kind = DESKTOP_KEY;
    memcpy(input->key, event->key, size + 1);
    return true;
}
