#include "ops/table.h"

static const struct op_entry absent = {.name = "none", .handling = OP_MISUSED};

// NOLINTBEGIN(bugprone-macro-parentheses): initializers, not expressions
#define LIGHT(label, function)                                                 \
    {                                                                          \
        .name = label, .handling = OP_WORK, .class = OP_LIGHT, .run = function \
    }
#define TYPING(label, function)                                                            \
    {                                                                                      \
        .name = label, .handling = OP_WORK, .class = OP_LIGHT, .order = OP_TERMINAL_ORDER, \
        .run = function                                                                    \
    }
#define COMMAND(label, function)                                             \
    {                                                                        \
        .name = label, .handling = OP_WORK, .class = OP_HEAVY, .once = true, \
        .dies_with_link = true, .run = function                              \
    }
#define REFUSED(label, how)            \
    {                                  \
        .name = label, .handling = how \
    }
// What other programs beside the agent would do.
#define LACKING(label, what)                                     \
    {                                                            \
        .name = label, .handling = OP_UNSUPPORTED, .lacks = what \
    }
// NOLINTEND(bugprone-macro-parentheses)

static const struct op_entry table[] = {
    [OG__CONTROL_REQUEST__OP_PING] = {.name = "ping", .handling = OP_PING},
    [OG__CONTROL_REQUEST__OP_HELLO] = REFUSED("hello", OP_MISUSED),
    [OG__CONTROL_REQUEST__OP_RESUME] = REFUSED("resume", OP_MISUSED),
    [OG__CONTROL_REQUEST__OP_EXEC] = COMMAND("exec", op_exec),
    [OG__CONTROL_REQUEST__OP_FS_READ] = LIGHT("fs_read", op_fs_read),
    [OG__CONTROL_REQUEST__OP_FS_WRITE] = LIGHT("fs_write", op_fs_write),
    [OG__CONTROL_REQUEST__OP_FS_LIST] = LIGHT("fs_list", op_fs_list),
    [OG__CONTROL_REQUEST__OP_FS_MKDIR] = LIGHT("fs_mkdir", op_fs_mkdir),
    [OG__CONTROL_REQUEST__OP_FS_MOVE] = LIGHT("fs_move", op_fs_move),
    [OG__CONTROL_REQUEST__OP_FS_STAT] = LIGHT("fs_stat", op_fs_stat),
    [OG__CONTROL_REQUEST__OP_FS_REMOVE] = LIGHT("fs_remove", op_fs_remove),
    [OG__CONTROL_REQUEST__OP_GIT] = COMMAND("git", op_git),
    [OG__CONTROL_REQUEST__OP_PTY_OPEN] = {.name = "pty_open",
                                          .handling = OP_WORK,
                                          .class = OP_HEAVY,
                                          .run = op_pty_open},
    [OG__CONTROL_REQUEST__OP_PTY_WRITE] = TYPING("pty_write", op_pty_write),
    [OG__CONTROL_REQUEST__OP_PTY_RESIZE] = TYPING("pty_resize", op_pty_resize),
    [OG__CONTROL_REQUEST__OP_PTY_CLOSE] = TYPING("pty_close", op_pty_close),
    [OG__CONTROL_REQUEST__OP_DESKTOP_ENSURE] = {.name = "desktop_ensure",
                                                .handling = OP_WORK,
                                                .class = OP_HEAVY,
                                                .run = op_desktop_ensure},
    [OG__CONTROL_REQUEST__OP_METRICS] = LIGHT("metrics", op_metrics),
    [OG__CONTROL_REQUEST__OP_UPDATE_MAY_PROCEED] = REFUSED("update_may_proceed", OP_MISUSED),
    [OG__CONTROL_REQUEST__OP_DESKTOP_INPUT] = {.name = "desktop_input",
                                               .handling = OP_WORK,
                                               .class = OP_HEAVY,
                                               .order = OP_INPUT_ORDER,
                                               .run = op_desktop_input},
    [OG__CONTROL_REQUEST__OP_DESKTOP_SCREENSHOT] = {.name = "desktop_screenshot",
                                                    .handling = OP_WORK,
                                                    .class = OP_HEAVY,
                                                    .run = op_desktop_screenshot},
    [OG__CONTROL_REQUEST__OP_OP_START] = REFUSED("op_start", OP_UNSUPPORTED),
    [OG__CONTROL_REQUEST__OP_OP_CANCEL] = REFUSED("op_cancel", OP_UNSUPPORTED),
    [OG__CONTROL_REQUEST__OP_OP_QUERY] = REFUSED("op_query", OP_UNSUPPORTED),
    [OG__CONTROL_REQUEST__OP_OP_ATTACH] = REFUSED("op_attach", OP_UNSUPPORTED),
    [OG__CONTROL_REQUEST__OP_WRITE_CHUNK] = REFUSED("write_chunk", OP_UNSUPPORTED),
    [OG__CONTROL_REQUEST__OP_BROWSER_CONTROL_ENSURE] =
        LACKING("browser_control_ensure", "browser controller sidecar is unavailable"),
    [OG__CONTROL_REQUEST__OP_BROWSER_FRAMES_OPEN] =
        LACKING("browser_frames_open", "browser controller sidecar is unavailable"),
    [OG__CONTROL_REQUEST__OP_COMPUTER_FRAMES_OPEN] =
        LACKING("computer_frames_open", "interaction controller sidecar is unavailable"),
    [OG__CONTROL_REQUEST__OP_AGENT_UPDATE_APPLY] = {.name = "agent_update_apply",
                                                    .handling = OP_UPDATE},
};

const struct op_entry *op_find(const Og__ControlRequest *request)
{
    size_t index = (size_t)request->op_case;
    if (index >= sizeof table / sizeof *table || !table[index].name)
        return &absent;
    return &table[index];
}
