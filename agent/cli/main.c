// The command people type. Finds out which command is meant and hands over to its cmd_*.c.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/say.h"
#include "config/api_url.h"

static struct invocation invocation;
static const char *api_url;
static bool want_help, want_version;

static const struct option_spec everywhere[] = {
    {.name = "api-url",
     .argument = "URL",
     .variable = "OPENGENI_API_URL",
     .help = "API (" API_URL_DEFAULT ")",
     .value = &api_url},
    {.name = "ca-file",
     .argument = "FILE",
     .variable = "OPENGENI_CA_FILE",
     .help = "trust this private CA, too",
     .value = &invocation.ca_file},
    {.name = "help", .letter = 'h', .help = "show this text", .flag = &want_help},
    {.name = "version", .letter = 'V', .help = "show the version", .flag = &want_version},
    {.name = NULL},
};
const struct option_spec *const global_options = everywhere;

// Taken out of the environment before anything else can inherit it; not an option everywhere.
static const struct option_spec from_environment_only[] = {
    {.name = "enroll-token",
     .variable = "OPENGENI_ENROLL_TOKEN",
     .secret = true,
     .value = &invocation.enroll_token},
    {.name = NULL},
};

// A file must not be opened as descriptor 0, 1 or 2, or messages would be written into it.
static void open_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static int usage_error(const char *what)
{
    say_error("%s", what);
    help_usage(stderr, invocation.command);
    fprintf(stderr, "'opengeni-agent help%s%s' tells more.\n", invocation.command ? " " : "",
            invocation.command ? invocation.command->name : "");
    return EXIT_USAGE;
}

static int show(void)
{
    if (want_version)
        puts("opengeni-agent " OG_VERSION);
    else if (invocation.command)
        help_command(stdout, invocation.command);
    else
        help_overview(stdout);
    return EXIT_OK;
}

static bool find_api_url(void)
{
    struct fail why;
    invocation.api_url_given = api_url && *api_url;
    if (api_url_normalise(invocation.api_url_given ? api_url : API_URL_DEFAULT, &invocation.api_url,
                          &why))
        return true;
    char text[FAIL_WHAT_BYTES + 64];
    snprintf(text, sizeof text, "the API URL is not usable: %s", why.what);
    usage_error(text);
    return false;
}

static int run_command(int argc, char **argv)
{
    const struct command *command = invocation.command;
    static const struct option_spec none[] = {{.name = NULL}};
    const struct option_spec *own = command->options ? command->options : none;
    const struct option_spec *const tables[] = {own, everywhere, NULL};
    struct options options = {.tables = tables};
    int count;
    if (!options_parse(&options, argc, argv, &count))
        return usage_error(options.error);
    if (want_help || want_version)
        return show();
    if (count < command->arguments_min)
        return usage_error("an argument is missing"); // the usage line names it
    if (count > command->arguments_max)
        return usage_error("there are too many arguments");
    options_from_environment(own);
    options_from_environment(everywhere);
    if (!find_api_url())
        return EXIT_USAGE;
    invocation.arguments = argv;
    invocation.argument_count = count;
    return command->run(&invocation);
}

// Without a command: run when there is something to run for, else say what to do.
static int run_without_command(void)
{
    invocation.command = &command_run;
    invocation.bare = true;
    return run_command(0, NULL);
}

static int run_main(int argc, char **argv)
{
    const struct option_spec *const tables[] = {everywhere, NULL};
    struct options options = {.tables = tables, .stop_at_argument = true};
    int count;
    options_from_environment(from_environment_only);
    if (!options_parse(&options, argc, argv, &count))
        return usage_error(options.error);
    if (want_help || want_version)
        return show();
    if (count == 0)
        return run_without_command();
    invocation.command = command_find(argv[0]);
    if (!invocation.command) {
        char *text = mem_printf("there is no command '%.60s'", argv[0]);
        int status = usage_error(text);
        mem_free(text);
        return status;
    }
    return run_command(count - 1, argv + 1);
}

int main(int argc, char **argv)
{
    open_standard_descriptors();
    log_init();
    int status = run_main(argc > 0 ? argc - 1 : 0, argv + (argc > 0));
    mem_free(invocation.api_url);
    mem_free_secret((char *)invocation.enroll_token);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_OK)
        return EXIT_FAILED;
    return status;
}
