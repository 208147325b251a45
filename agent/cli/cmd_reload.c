#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/say.h"
#include "cli/workplace.h"

// There SIGHUP means that the terminal was closed, and the agent ends.
static bool in_terminal(pid_t pid)
{
    char target[64] = "";
    char *path = mem_printf("/proc/%d/fd/0", (int)pid);
    ssize_t size = readlink(path, target, sizeof target - 1);
    mem_free(path);
    static const char *const terminals[] = {"/dev/pts/", "/dev/tty", "/dev/console"};
    for (size_t i = 0; i < sizeof terminals / sizeof *terminals; i++)
        if (size > 0 && strncmp(target, terminals[i], strlen(terminals[i])) == 0)
            return true;
    return false;
}

static int reload(const struct live *live)
{
    if (!live->running)
        say_error("no agent is running here; it reads its connections when it starts");
    else if (!live->pid)
        say_error("an agent is running here, but its pid is not known");
    else if (!live_is_daemon(live->pid))
        say_error("pid %d holds the agent's lock, but it is no opengeni-agentd: a signal might end "
                  "it",
                  (int)live->pid);
    else if (in_terminal(live->pid))
        say_error("the agent (pid %d) runs in a terminal, where the signal for this would end it; "
                  "it notices changed connections by itself",
                  (int)live->pid);
    else if (kill(live->pid, SIGHUP) != 0)
        say_error("cannot signal pid %d: %s", (int)live->pid, strerrordesc_np(errno));
    else {
        say("The agent (pid %d) reads its connections again.", (int)live->pid);
        return EXIT_OK;
    }
    return EXIT_FAILED;
}

static int run(const struct invocation *invocation)
{
    struct workplace place;
    if (!workplace_open(invocation, &place))
        return EXIT_FAILED;
    int status = reload(&place.live);
    workplace_close(&place);
    return status;
}

const struct command command_reload = {
    .name = "reload",
    .minor = true,
    .arguments = "",
    .summary = "Make the running agent read its connections now",
    .details = "It notices changes by itself; this is for file systems that do not tell.\n",
    .run = run,
};
