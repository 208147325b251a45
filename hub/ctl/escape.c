#include "ctl/escape.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { CONTROL = 0x1f, CONTROL_Z = 'Z' & CONTROL };

bool escape_parse(const char *text, int *key)
{
    if (strcmp(text, "none") == 0) {
        *key = ESCAPE_OFF;
    } else if (strlen(text) == 1 && isprint((unsigned char)text[0])) {
        *key = (unsigned char)text[0];
    } else if (strlen(text) == 2 && text[0] == '^' && ((unsigned char)text[1] & 0xc0) == 0x40) {
        *key = (unsigned char)text[1] & CONTROL;
    } else {
        return false;
    }
    return *key != '\r' && *key != '\n';
}

void escape_init(struct escape *escape, int key)
{
    *escape = (struct escape){.key = key, .state = ESCAPE_LINE_START};
}

static enum escape_command command_of(char c)
{
    switch (c) {
    case '.':
        return ESCAPE_END;
    case 'd':
        return ESCAPE_DETACH;
    case CONTROL_Z:
        return ESCAPE_SUSPEND;
    case '?':
        return ESCAPE_HELP;
    default:
        return ESCAPE_NOTHING;
    }
}

// The key after the escape key. True when it was a command, or the escape key itself.
static bool take_second(struct escape *escape, char c, char *out, size_t *out_size,
                        enum escape_command *command)
{
    *command = command_of(c);
    if (*command != ESCAPE_NOTHING) {
        escape->state = ESCAPE_LINE_START;
        return true;
    }
    escape->state = ESCAPE_IN_LINE;
    out[(*out_size)++] = (char)escape->key;
    return (unsigned char)c == escape->key;
}

size_t escape_take(struct escape *escape, const char *in, size_t size, char *out, size_t *out_size,
                   enum escape_command *command)
{
    size_t i = 0;
    *out_size = 0;
    *command = ESCAPE_NOTHING;
    while (i < size && *command == ESCAPE_NOTHING) {
        char c = in[i++];
        if (escape->key == ESCAPE_OFF) {
            out[(*out_size)++] = c;
            continue;
        }
        if (escape->state == ESCAPE_PENDING) {
            if (take_second(escape, c, out, out_size, command))
                continue;
        } else if (escape->state == ESCAPE_LINE_START && (unsigned char)c == escape->key) {
            escape->state = ESCAPE_PENDING;
            continue;
        }
        out[(*out_size)++] = c;
        escape->state = c == '\r' || c == '\n' ? ESCAPE_LINE_START : ESCAPE_IN_LINE;
    }
    return i;
}

void escape_name(int key, char name[ESCAPE_NAME_BYTES])
{
    if (key >= 0 && key < ' ')
        snprintf(name, ESCAPE_NAME_BYTES, "^%c", key | 0x40);
    else
        snprintf(name, ESCAPE_NAME_BYTES, "%c", key);
}
