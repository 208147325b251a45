// The commands that use the keyboard of a machine's desktop.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "ctl/act.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"

static bool read_input(struct buffer *text, struct fault *fault)
{
    char piece[16 << 10];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, piece, sizeof piece);
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR && !interrupted())
            continue;
        if (n < 0)
            return interrupted() ? fault_set(fault, FAULT_INTERRUPTED, "interrupted")
                                 : fault_local(fault, errno, "read", "standard input");
        if (!buffer_append(text, piece, (size_t)n))
            return fault_set(fault, FAULT_LOCAL, "a text has at most %d bytes", CTL_TYPE_BYTES_MAX);
    }
}

// Bytes of the next piece: CTL_TYPE_CHARS characters, and no line end in two.
static size_t next_piece(const char *text, size_t size)
{
    size_t at = 0;
    for (unsigned chars = 0; at < size; at++)
        if (((unsigned char)text[at] & 0xc0) != 0x80 && ++chars > CTL_TYPE_CHARS)
            break;
    return at < size && text[at] == '\n' && text[at - 1] == '\r' ? at + 1 : at;
}

// In pieces, so that each is answered in time and an interrupt stops what was not typed yet.
static bool type(struct ctl *ctl, const char *text, size_t size, struct fault *fault)
{
    if (!utf8_valid(text, size))
        return fault_set(fault, FAULT_LOCAL, "the text is not valid UTF-8");
    if (memchr(text, '\0', size))
        return fault_set(fault, FAULT_LOCAL, "the text holds a NUL, which no key types");
    do {
        size_t piece = next_piece(text, size);
        char *copy = mem_printf("%.*s", (int)piece, text);
        bool typed = act_text(ctl, copy, fault);
        mem_free(copy);
        if (!typed)
            return false;
        text += piece;
        size -= piece;
        if (size > 0 && interrupted())
            return fault_set(fault, FAULT_INTERRUPTED, "interrupted");
    } while (size > 0);
    return true;
}

static int run_type(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    if (ctl_option(ctl, args, &value) != ARGUMENTS_END || !ctl_operands(ctl, args, 2, 2))
        return ctl->status;
    const char *given = args->operands[1];
    struct buffer text;
    struct fault fault;
    buffer_init(&text, CTL_TYPE_BYTES_MAX);
    interrupt_watch();
    bool read =
        strcmp(given, "-") == 0
            ? read_input(&text, &fault)
            : buffer_append_string(&text, given) ||
                  fault_set(&fault, FAULT_LOCAL, "a text has at most %d bytes", CTL_TYPE_BYTES_MAX);
    if (!read)
        ctl_fault(ctl, &fault);
    else if (ctl_machine(ctl, args->operands[0]) &&
             !type(ctl, text.size ? text.data : "", text.size, &fault))
        act_fault(ctl, &fault);
    buffer_fini(&text);
    return ctl->status;
}

static int run_key(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    if (ctl_option(ctl, args, &value) != ARGUMENTS_END || !ctl_operands(ctl, args, 2, args->argc) ||
        !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    interrupt_watch();
    struct fault fault;
    for (int i = 1; i < args->operand_count; i++)
        if (!act_key(ctl, args->operands[i], &fault))
            return act_fault(ctl, &fault);
    return ctl->status;
}

const struct command command_type = {
    .name = "type",
    .operands = "MACHINE TEXT|-",
    .summary = "Type a text into the focused window of a machine's screen",
    .notes = "- takes the text from standard input. Any character can be typed, also one that\n"
             "the machine's keyboard does not have; a line end is the Return key.\n",
    .run = run_type,
};

const struct command command_key = {
    .name = "key",
    .operands = "MACHINE CHORD...",
    .summary = "Press keys on a machine's screen, one chord after the other",
    .notes = "A CHORD is one key or several joined with +: Return, ctrl+c, ctrl+shift+t.\n"
             "Names are those of X11 and of browsers, in any case.\n",
    .run = run_key,
};
