// The kinds of input, one file each.
#pragma once

#include "desktop_x11/inject.h"

bool inject_pointer(struct inject *inject, struct held *held, const struct desktop_input *input,
                    struct fail *why);
bool inject_scroll(struct inject *inject, struct held *held, const struct desktop_input *input,
                   struct fail *why);
bool inject_chord(struct inject *inject, struct held *held, const struct desktop_input *input,
                  struct fail *why);
bool inject_text(struct inject *inject, struct held *held, const char *text, size_t size,
                 inject_stopped stopped, void *context, struct fail *why);

bool inject_symbol(struct inject *inject, struct held *held, const struct desktop_input *input,
                   struct fail *why);
bool inject_buttons(struct inject *inject, struct held *held, const struct desktop_input *input,
                    struct fail *why);

bool inject_move(struct inject *inject, const struct desktop_input *input, struct fail *why);
