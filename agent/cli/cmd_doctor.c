// doctor looks at everything between this machine and those it serves, and says what to do.
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/printable.h"
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/say.h"

static bool json;

static const char *const result_names[] = {
    [CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "FAIL"};

void doctor_say(struct doctor *doctor, enum check_result result, const char *name,
                const char *advice, const char *format, ...)
{
    char detail[CHECK_DETAIL_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    printable_strip(detail);
    log_redact(detail);
    if (result == CHECK_OK)
        advice = NULL;
    doctor->failures += result == CHECK_FAIL;
    doctor->warnings += result == CHECK_WARN;
    if (doctor->report) {
        json_array_append_new(doctor->report,
                              json_pack("{s:s, s:s, s:s, s:s?}", "name", name, "result",
                                        result == CHECK_FAIL ? "fail" : result_names[result],
                                        "detail", detail, "advice", advice));
        return;
    }
    say("%-6s%-16s%s", result_names[result], name, detail);
    if (advice)
        say("%-22s-> %s", "", advice);
    fflush(stdout);
}

static void run_check(struct doctor *doctor, const struct check *check)
{
    char detail[CHECK_DETAIL_BYTES];
    enum check_result result = check->run(&doctor->input, detail);
    doctor_say(doctor, result, check->name, NULL, "%s", detail);
}

// The running agent, when there is one; asked to tell how it is now.
static void read_live(struct doctor *doctor)
{
    struct fail why;
    if (!doctor->input.config.path || doctor->input.config.fd < 0 ||
        !live_read(&doctor->input.config, &doctor->live, &why))
        return;
    live_refresh(&doctor->input.config, &doctor->live);
    doctor->input.agent = doctor->live.running ? doctor->live.pid : 0;
}

static void examine(struct doctor *doctor)
{
    struct fail why;
    run_check(doctor, &checks[0]); // it opens the directory for all others
    read_live(doctor);
    doctor_files(doctor);
    for (const struct check *check = &checks[1]; check->name; check++)
        run_check(doctor, check);
    if (doctor->input.config.path)
        (void)!connections_load(&doctor->input.config, doctor->input.api_url, &doctor->connections,
                                &why);
    doctor_machine(doctor);
    doctor_network(doctor);
}

static void finish(const struct doctor *doctor)
{
    if (doctor->report) {
        json_t *all =
            json_pack("{s:b, s:I, s:I, s:s, s:O}", "ok", doctor->failures == 0, "failures",
                      (json_int_t)doctor->failures, "warnings", (json_int_t)doctor->warnings,
                      "version", OG_VERSION, "checks", doctor->report);
        json_dumpf(all, stdout, JSON_INDENT(2));
        fputc('\n', stdout);
        json_decref(all);
        return;
    }
    say("%s", "");
    if (doctor->failures + doctor->warnings == 0)
        say("Nothing is wrong.");
    else
        say("%zu failed, %zu to be looked at.", doctor->failures, doctor->warnings);
}

static int run(const struct invocation *invocation)
{
    struct doctor doctor = {.input = {.api_url = invocation->api_url,
                                      .ca_file = invocation->ca_file,
                                      .config = {.fd = -1}},
                            .report = json ? json_array() : NULL};
    examine(&doctor);
    finish(&doctor);
    json_decref(doctor.report);
    live_fini(&doctor.live);
    connections_fini(&doctor.connections);
    secure_dir_fini(&doctor.input.config);
    return doctor.failures == 0 ? EXIT_OK : EXIT_FAILED;
}

const struct command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "Find out what is wrong, and what to do about it",
    .details = "Looks at this machine, the running agent, and the servers of all connections:\n"
               "all at the same time, and for 10 seconds at most. It logs in nowhere and shows\n"
               "no secrets. The exit status is 1 when something failed; a warning is no failure.\n",
    .options =
        (const struct option_spec[]){
            {.name = "json", .help = "as JSON", .flag = &json},
            {.name = NULL},
        },
    .run = run,
};
