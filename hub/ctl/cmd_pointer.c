// The commands that move the pointer of a machine's desktop, press its buttons and turn its wheel.
#include <string.h>

#include "ctl/act.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"

enum { OPTION_BUTTON = 'b', OPTION_DOUBLE = 'd', NUMBERS_MAX = 4 };

struct pointing {
    Og__PointerButton button;
    bool twice;
    int32_t numbers[NUMBERS_MAX];
};

static bool take_button(const char *name, Og__PointerButton *button)
{
    static const struct {
        const char *name;
        Og__PointerButton button;
    } known[] = {
        {"left", OG__POINTER_BUTTON__POINTER_BUTTON_LEFT},
        {"middle", OG__POINTER_BUTTON__POINTER_BUTTON_MIDDLE},
        {"right", OG__POINTER_BUTTON__POINTER_BUTTON_RIGHT},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0) {
            *button = known[i].button;
            return true;
        }
    return false;
}

// Options, the machine, and after it min to max numbers; false: told, and in ctl->status.
static bool begin(struct ctl *ctl, struct arguments *args, int min, int max,
                  struct pointing *pointing)
{
    *pointing = (struct pointing){.button = OG__POINTER_BUTTON__POINTER_BUTTON_LEFT};
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return false;
        if (key == OPTION_DOUBLE) {
            pointing->twice = true;
        } else if (!take_button(value, &pointing->button)) {
            ctl_misuse(ctl, "--button is left, middle or right");
            return false;
        }
    }
    if (!ctl_operands(ctl, args, min + 1, max + 1))
        return false;
    for (int i = 1; i < args->operand_count; i++)
        if (!arguments_integer(args->operands[i], &pointing->numbers[i - 1])) {
            ctl_misuse(ctl, "\"%.40s\" is no whole number", args->operands[i]);
            return false;
        }
    if (!ctl_machine(ctl, args->operands[0]))
        return false;
    interrupt_watch();
    return true;
}

static int end(struct ctl *ctl, bool done, struct fault *fault)
{
    return done ? ctl->status : act_fault(ctl, fault);
}

static int run_click(struct ctl *ctl, struct arguments *args)
{
    struct pointing p;
    struct fault fault;
    if (!begin(ctl, args, 2, 2, &p))
        return ctl->status;
    Og__PointerAction action = p.twice ? OG__POINTER_ACTION__POINTER_ACTION_DOUBLE_CLICK
                                       : OG__POINTER_ACTION__POINTER_ACTION_CLICK;
    return end(ctl, act_pointer(ctl, p.numbers[0], p.numbers[1], action, p.button, &fault), &fault);
}

static int run_move(struct ctl *ctl, struct arguments *args)
{
    struct pointing p;
    struct fault fault;
    if (!begin(ctl, args, 2, 2, &p))
        return ctl->status;
    return end(ctl,
               act_pointer(ctl, p.numbers[0], p.numbers[1], OG__POINTER_ACTION__POINTER_ACTION_MOVE,
                           p.button, &fault),
               &fault);
}

static bool step(struct ctl *ctl, const struct pointing *p, int64_t x, int64_t y,
                 Og__PointerAction action, struct fault *fault)
{
    return act_pointer(ctl, (int32_t)x, (int32_t)y, action, p->button, fault);
}

// Programs take a drag for one only when the pointer has moved with the button down, so it stops
// half way. Once pressed, the button is let go of whatever happens.
static bool drag(struct ctl *ctl, const struct pointing *p, struct fault *fault)
{
    const int64_t x1 = p->numbers[0], y1 = p->numbers[1], x2 = p->numbers[2], y2 = p->numbers[3];
    if (!step(ctl, p, x1, y1, OG__POINTER_ACTION__POINTER_ACTION_DOWN, fault))
        return false;
    bool there = step(ctl, p, (x1 + x2) / 2, (y1 + y2) / 2, OG__POINTER_ACTION__POINTER_ACTION_MOVE,
                      fault) &&
                 step(ctl, p, x2, y2, OG__POINTER_ACTION__POINTER_ACTION_MOVE, fault);
    struct fault unheard;
    interrupt_put_off(true);
    bool up = step(ctl, p, x2, y2, OG__POINTER_ACTION__POINTER_ACTION_UP, there ? fault : &unheard);
    interrupt_put_off(false);
    return there && up;
}

static int run_drag(struct ctl *ctl, struct arguments *args)
{
    struct pointing p;
    struct fault fault;
    if (!begin(ctl, args, 4, 4, &p))
        return ctl->status;
    return end(ctl, drag(ctl, &p, &fault), &fault);
}

static int run_scroll(struct ctl *ctl, struct arguments *args)
{
    struct pointing p;
    struct fault fault;
    if (!begin(ctl, args, 3, 4, &p))
        return ctl->status;
    bool done = act_scroll(ctl, p.numbers[0], p.numbers[1], p.numbers[3], p.numbers[2], &fault);
    return end(ctl, done, &fault);
}

static const struct argument click_arguments[] = {
    {OPTION_BUTTON, "button", "NAME", "left, middle or right"},
    {OPTION_DOUBLE, "double", NULL, "twice"},
    {0},
};
static const struct argument drag_arguments[] = {
    {OPTION_BUTTON, "button", "NAME", "left, middle or right"},
    {0},
};

#define PIXELS "X and Y are pixels of the machine's screen, from its upper left corner.\n"

const struct command command_click = {
    .name = "click",
    .operands = "MACHINE X Y",
    .summary = "Click on a machine's screen",
    .notes = PIXELS,
    .arguments = click_arguments,
    .run = run_click,
};

const struct command command_move = {
    .name = "move",
    .operands = "MACHINE X Y",
    .summary = "Move the pointer of a machine's screen",
    .notes = PIXELS,
    .run = run_move,
};

const struct command command_drag = {
    .name = "drag",
    .operands = "MACHINE X1 Y1 X2 Y2",
    .summary = "Drag with a button held down",
    .notes = PIXELS,
    .arguments = drag_arguments,
    .run = run_drag,
};

const struct command command_scroll = {
    .name = "scroll",
    .operands = "MACHINE X Y DOWN [RIGHT]",
    .summary = "Turn the wheel over a place of a machine's screen",
    .notes = PIXELS "DOWN and RIGHT are turns of the wheel up to 10, beyond that pixels; what is\n"
                    "negative goes up or left.\n",
    .run = run_scroll,
};
