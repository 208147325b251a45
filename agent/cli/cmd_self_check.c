#include <jansson.h>

#include "base/printable.h"
#include "cli/check.h"
#include "cli/command.h"
#include "cli/say.h"

static bool json;

static const char *const result_names[] = {
    [CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "FAIL"};

static enum check_result run_one(const struct check *check, struct check_input *input,
                                 json_t *report)
{
    char detail[CHECK_DETAIL_BYTES];
    enum check_result result = check->run(input, detail);
    printable_strip(detail);
    if (report)
        json_array_append_new(report,
                              json_pack("{s:s, s:s, s:s}", "name", check->name, "result",
                                        result == CHECK_FAIL ? "fail" : result_names[result],
                                        "detail", detail));
    else
        say("%-6s%-16s%s", result_names[result], check->name, detail);
    return result;
}

static int run(const struct invocation *invocation)
{
    struct check_input input = {
        .api_url = invocation->api_url, .ca_file = invocation->ca_file, .config = {.fd = -1}};
    json_t *report = json ? json_array() : NULL;
    bool good = true;
    for (const struct check *check = checks; check->name; check++)
        good &= run_one(check, &input, report) != CHECK_FAIL;
    if (json) {
        json_t *all =
            json_pack("{s:b, s:s, s:o}", "ok", good, "version", OG_VERSION, "checks", report);
        json_dumpf(all, stdout, JSON_INDENT(2));
        fputc('\n', stdout);
        json_decref(all);
    }
    secure_dir_fini(&input.config);
    return good ? EXIT_OK : EXIT_FAILED;
}

const struct command command_self_check = {
    .name = "self-check",
    .minor = true,
    .arguments = "",
    .summary = "Check this build and what it needs of the machine",
    .details = "Connects to nothing. The exit status is 1 when a check fails; a warning is no\n"
               "failure.\n",
    .options =
        (const struct option_spec[]){
            {.name = "json", .help = "as JSON", .flag = &json},
            {.name = NULL},
        },
    .run = run,
};
