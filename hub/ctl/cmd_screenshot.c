#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ctl/act.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/target.h"

enum { OPTION_OUTPUT = 'o' };

// "<machine>-20260814-090503.png", whatever the machine is called.
static char *default_name(const struct ctl *ctl)
{
    char stamp[32], label[sizeof ctl->machine.label];
    time_t now = time(NULL);
    struct tm local;
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", localtime_r(&now, &local));
    const char *name = strrchr(ctl->machine.label, '/');
    snprintf(label, sizeof label, "%s", name ? name + 1 : ctl->machine.label);
    for (char *c = label; *c; c++)
        if (!((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
              (*c == '.' && c != label) || *c == '_' || (*c == '-' && c != label)))
            *c = '_';
    return mem_printf("%s-%s.png", label, stamp);
}

static void tell(struct ctl *ctl, const Og__DesktopScreenshotResponse *shot, const char *path,
                 bool is_file)
{
    if (ctl->json) {
        json_t *out =
            json_pack("{s:I, s:i, s:i, s:i, s:i}", "bytes", (json_int_t)shot->png.len, "width",
                      (int)shot->width, "height", (int)shot->height, "native_width",
                      (int)shot->native_width, "native_height", (int)shot->native_height);
        output_json_path(out, "local", path);
        ctl_json(out);
    } else if (is_file) {
        puts(path);
    }
    // Whoever clicks on what the picture shows has to know.
    if (!ctl->json && (shot->width != shot->native_width || shot->height != shot->native_height) &&
        shot->native_width)
        fprintf(stderr,
                "opengeni-ctl: the picture of %ux%u pixels was scaled down to %ux%u to fit into "
                "one message\n",
                shot->native_width, shot->native_height, shot->width, shot->height);
}

static bool save(struct ctl *ctl, const Og__DesktopScreenshotResponse *shot, const char *output,
                 struct fault *fault)
{
    char *name = default_name(ctl);
    struct target target;
    bool ok = target_open(&target, output ? output : name, name, 0666, fault) &&
              target_write(&target, shot->png.data, shot->png.len, fault) &&
              target_commit(&target, fault);
    if (ok)
        tell(ctl, shot, target.path, !output || strcmp(output, "-") != 0);
    target_fini(&target);
    mem_free(name);
    return ok;
}

static bool take(struct ctl *ctl, const char *output, struct fault *fault)
{
    Og__DesktopScreenshotRequest body = OG__DESKTOP_SCREENSHOT_REQUEST__INIT;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_DESKTOP_SCREENSHOT;
    request.desktop_screenshot = &body;
    struct call_options options = {.timeout_ms = ctl_timeout(ctl)};
    struct reply reply;
    if (!ctl_try(ctl, &request, &options, &reply, fault))
        return false;
    bool ok = save(ctl, reply.message->desktop_screenshot, output, fault);
    reply_fini(&reply);
    return ok;
}

static int run(struct ctl *ctl, struct arguments *args)
{
    const char *value, *output = NULL;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return ctl->status;
        output = value;
    }
    if (!ctl_operands(ctl, args, 1, 1))
        return ctl->status;
    bool to_stdout = output && strcmp(output, "-") == 0;
    if (to_stdout && isatty(STDOUT_FILENO))
        return ctl_misuse(ctl, "a picture is nothing for a terminal: give a file to -o");
    if (to_stdout && ctl->json)
        return ctl_misuse(ctl, "--json and the picture cannot both go to standard output");
    if (!ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    interrupt_watch();
    struct fault fault;
    if (!take(ctl, output, &fault))
        act_fault(ctl, &fault);
    return ctl->status;
}

static const struct argument arguments[] = {
    {OPTION_OUTPUT, "output", "FILE", "a file, a directory, or - for standard output"},
    {0},
};

const struct command command_screenshot = {
    .name = "screenshot",
    .operands = "MACHINE",
    .summary = "Save a picture of a machine's screen",
    .notes = "A PNG, in the current directory and named after the machine and the time,\n"
             "unless -o says otherwise; the file's name is printed.\n",
    .arguments = arguments,
    .run = run,
};
