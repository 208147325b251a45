#include "ctl/modes.h"

#include <stdio.h>

// DEC private modes (xterm's ctlseqs): ESC [ ? number ; ... h sets, l resets. Left in this order.
static const struct {
    unsigned number;
    bool usual;
} table[] = {
    {1000, false}, {1002, false}, {1003, false}, {1004, false}, // mouse, focus
    {1005, false}, {1006, false}, {1015, false}, {2004, false}, // mouse, bracketed paste
    {1, false},    {66, false},                                 // cursor keys, key pad
    {47, false},   {1047, false}, {1049, false},                // the other screen
    {25, true},                                                 // the cursor is seen
};
enum { MODES = sizeof table / sizeof table[0], OTHER_SCREEN = 10, OTHER_SCREENS = 3 };

enum { PLAIN, ESCAPED, BRACKET, NUMBERS };

static void end_number(struct modes *modes)
{
    for (unsigned i = 0; i < MODES; i++)
        if (table[i].number == modes->number)
            modes->seen |= 1u << i;
    modes->number = 0;
}

static void end_sequence(struct modes *modes, bool on)
{
    end_number(modes);
    for (unsigned i = 0; i < MODES; i++) {
        unsigned bit = 1u << i;
        if (!(modes->seen & bit))
            continue;
        if (table[i].usual == on)
            modes->changed &= ~bit;
        else
            modes->changed |= bit;
    }
}

static int next_state(struct modes *modes, char c)
{
    if (c == '\033')
        return ESCAPED;
    switch (modes->state) {
    case ESCAPED:
        if (c == 'c') // everything as usual
            modes->changed = 0;
        return c == '[' ? BRACKET : PLAIN;
    case BRACKET:
        modes->number = modes->seen = 0;
        return c == '?' ? NUMBERS : PLAIN;
    case NUMBERS:
        if (c >= '0' && c <= '9') {
            if (modes->number < 100000)
                modes->number = 10 * modes->number + (unsigned)(c - '0');
            return NUMBERS;
        }
        if (c == ';') {
            end_number(modes);
            return NUMBERS;
        }
        if (c == 'h' || c == 'l')
            end_sequence(modes, c == 'h');
        return PLAIN;
    default:
        return PLAIN;
    }
}

void modes_feed(struct modes *modes, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (modes->state != PLAIN || data[i] == '\033')
            modes->state = next_state(modes, data[i]);
}

bool modes_other_screen(const struct modes *modes)
{
    return (modes->changed >> OTHER_SCREEN & ((1u << OTHER_SCREENS) - 1)) != 0;
}

size_t modes_reset(struct modes *modes, char out[MODES_RESET_BYTES])
{
    size_t size = 0;
    for (unsigned i = 0; i < MODES; i++)
        if (modes->changed & 1u << i)
            size += (size_t)snprintf(out + size, MODES_RESET_BYTES - size, "\033[?%u%c",
                                     table[i].number, table[i].usual ? 'h' : 'l');
    if (size > 0)
        size += (size_t)snprintf(out + size, MODES_RESET_BYTES - size, "\033[0m");
    *modes = (struct modes){0};
    return size;
}
