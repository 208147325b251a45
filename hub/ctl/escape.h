// What a person types to opengeni-ctl itself in the middle of a remote terminal: the escape key at
// the beginning of a line, then one more key, as in ssh(1).
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum escape_command {
    ESCAPE_NOTHING,
    ESCAPE_END,     // .  end the terminal
    ESCAPE_DETACH,  // d  leave it running
    ESCAPE_SUSPEND, // ^Z this program
    ESCAPE_HELP,    // ?
};

enum { ESCAPE_OFF = -1 };

struct escape {
    int key; // ESCAPE_OFF: every byte is the terminal's
    enum { ESCAPE_LINE_START, ESCAPE_IN_LINE, ESCAPE_PENDING } state;
};

// "~", "^X" for a control key, or "none". False when the text is nothing of that.
bool escape_parse(const char *text, int *key) __attribute__((warn_unused_result));

void escape_init(struct escape *escape, int key);

// Takes bytes up to the first command. Those that are the terminal's go to out, which has room for
// size + 1. Returns how many were taken.
size_t escape_take(struct escape *escape, const char *in, size_t size, char *out, size_t *out_size,
                   enum escape_command *command);

// The key as a person types it: "~", "^X".
enum { ESCAPE_NAME_BYTES = 4 };
void escape_name(int key, char name[ESCAPE_NAME_BYTES]);
