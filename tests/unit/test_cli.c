// The real program, as a person or a script sees it: what it prints where, and how it ends.
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "config/config_dir.h"
#include "config/connection.h"
#include "config/instance_lock.h"
#include "config/status_file.h"

#include "config_rig.h"

static struct {
    int status;
    char out[1 << 16], err[1 << 16];
} got;

static const char *program = OG_AGENT;

static void read_all(int fd, char *room, size_t size)
{
    ssize_t n, held = 0;
    while ((n = read(fd, room + held, size - 1 - held)) > 0)
        held += n;
    ck_assert_int_eq(n, 0);
    room[held] = '\0';
    close(fd);
}

// Runs the program with the words of the line, which single spaces separate. Its stderr goes
// through a file, so that neither stream can block the other.
static void run(const char *line)
{
    char *words = mem_string(line), *argv[32] = {(char *)"opengeni-agent"}, *rest = words, *word;
    for (int i = 1; (word = strsep(&rest, " ")) && *word; i++)
        argv[i] = word;
    int out[2], err = open(in("stderr"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(out[1], 1);
        dup2(err, 2);
        execv(program, argv);
        _exit(127);
    }
    close(out[1]);
    read_all(out[0], got.out, sizeof got.out);
    ck_assert_int_eq(waitpid(child, &got.status, 0), child);
    ck_assert(WIFEXITED(got.status));
    got.status = WEXITSTATUS(got.status);
    lseek(err, 0, SEEK_SET);
    read_all(err, got.err, sizeof got.err);
    mem_free(words);
}

#define EXPECT(line, expected)                                                                    \
    do {                                                                                          \
        run(line);                                                                                \
        ck_assert_msg(got.status == (expected), "%s: status %d\n%s%s", line, got.status, got.out, \
                      got.err);                                                                   \
    } while (0)
#define HAS(stream, text) \
    ck_assert_msg(strstr(got.stream, text), "no \"%s\" in:\n%s", text, got.stream)
#define HAS_NOT(stream, text) \
    ck_assert_msg(!strstr(got.stream, text), "\"%s\" in:\n%s", text, got.stream)

static void prepare(void)
{
    static const char *const variables[] = {"OPENGENI_API_URL",
                                            "OPENGENI_CA_FILE",
                                            "OPENGENI_ENROLL_TOKEN",
                                            "OPENGENI_WORKSPACE_ID",
                                            "INVOCATION_ID",
                                            "OPENGENI_LOG",
                                            "RUST_LOG"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    setenv("OPENGENI_CONFIG_DIR", in("config"), 1);
}

static void put_connection(const char *id, const char *api_url, const char *bearer)
{
    char *name = mem_printf("connections/%s.json", id), *text = rig_document(id, api_url, bearer);
    rig_write(name, text);
    mem_free(name);
    mem_free(text);
}

#define APP_ID "47592907af1be96a703e"
static void put_two(void)
{
    put_connection(HOME_ID, "http://127.0.0.1:8000", "oge_eyJleHAiOjE4OTM0NTYwMDB9.hushhush");
    put_connection(APP_ID, "https://app.opengeni.ai", "oge_eyJleHAiOjF9.hushhush");
}

START_TEST(the_version_is_one_exact_line)
{
    prepare();
    EXPECT("--version", 0);
    ck_assert_str_eq(got.out, "opengeni-agent " OG_VERSION "\n");
    ck_assert_str_eq(got.err, "");
    EXPECT("-V", 0);
    ck_assert_str_eq(got.out, "opengeni-agent " OG_VERSION "\n");
}
END_TEST

START_TEST(help_fits_a_screen_and_shows_no_values)
{
    prepare();
    setenv("OPENGENI_ENROLL_TOKEN", "hushhush", 1);
    setenv("OPENGENI_API_URL", "https://hushhush.example", 1);
    static const char *const lines[] = {"--help",     "-h",         "help",
                                        "help run",   "run --help", "run -h",
                                        "--help run", "help help",  "status -h"};
    static const char *const names[] = {
        "connect",    "enroll",      "start",      "stop",   "restart", "status",    "logs",
        "run",        "connections", "disconnect", "reload", "update",  "uninstall", "service",
        "self-check", "pause",       "resume",     "doctor", "help"};
    for (size_t i = 0; i < (sizeof lines + sizeof names) / sizeof *lines; i++) {
        char line[64];
        size_t known = sizeof lines / sizeof *lines;
        if (i < known)
            snprintf(line, sizeof line, "%s", lines[i]);
        else
            snprintf(line, sizeof line, "%s --help", names[i - known]);
        EXPECT(line, 0);
        HAS(out, "Usage: opengeni-agent");
        HAS_NOT(out, "hushhush");
        ck_assert_str_eq(got.err, "");
        size_t rows = 0;
        for (const char *at = got.out; *at; rows++) {
            size_t width = strcspn(at, "\n");
            ck_assert_msg(width <= 80, "too wide: %.*s", (int)width, at);
            at += width + 1;
        }
        ck_assert_msg(rows <= 24, "%zu lines:\n%s", rows, got.out);
    }
    EXPECT("help bogus", 2);
}
END_TEST

START_TEST(mistakes_end_with_status_2_and_a_usage_line)
{
    prepare();
    static const char *const lines[] = {"bogus",
                                        "--bogus",
                                        "run --bogus",
                                        "run --chan=stable",
                                        "run --channel",
                                        "run extra",
                                        "status --json=yes",
                                        "disconnect",
                                        "disconnect a b",
                                        "--api-url",
                                        "--api-url ftp://x status",
                                        "status --api-url=https://user:hushhush@x",
                                        "connections --api-url x",
                                        "help a b",
                                        "-x"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        EXPECT(lines[i], 2);
        ck_assert_str_eq(got.out, "");
        HAS(err, "opengeni-agent: ");
        HAS_NOT(err, "hushhush");
    }
    EXPECT("disconnect", 2);
    HAS(err, "Usage: opengeni-agent disconnect ID-OR-PREFIX\n");
    EXPECT("\033[31mred", 2);
    HAS_NOT(err, "\033");
    setenv("OPENGENI_API_URL", "ftp://x", 1);
    EXPECT("status", 2);
    setenv("OPENGENI_API_URL", "", 1);
    EXPECT("status", 4);
    EXPECT("--api-url https://x status --api-url ftp://x", 2);
}
END_TEST

START_TEST(an_unconnected_machine_is_told_what_to_do)
{
    prepare();
    EXPECT("", 0);
    ck_assert_str_eq(got.out, "");
    HAS(err, "Usage: opengeni-agent");
    HAS(err, "opengeni-agent connect");
    EXPECT("run", 1);
    HAS(err, "opengeni-agent connect");
    HAS(err, in("config"));
    EXPECT("connections", 0);
    HAS(out, "No connections");
    EXPECT("connections --json", 0);
    HAS(out, "\"connections\": []");
    ck_assert_str_eq(got.err, "");
    EXPECT("status", 4);
    HAS(out, "Not running.");
    EXPECT("reload", 1);
    HAS(err, "no agent is running");
}
END_TEST

START_TEST(connections_are_listed_without_their_secrets)
{
    prepare();
    put_two();
    EXPECT("connections", 0);
    HAS(out, HOME_ID "  http://127.0.0.1:8000\n");
    HAS(out, APP_ID "  https://app.opengeni.ai\n");
    HAS(out, WORKSPACE);
    HAS(out, AGENT);
    HAS(out, "expires 2030-01-01 00:00 UTC");
    HAS(out, "expired 1970-01-01 00:00 UTC");
    HAS(out, "connect --force --api-url https://app.opengeni.ai --workspace-id " WORKSPACE "\n");
    HAS_NOT(out, "connect --force --api-url http://127");
    HAS_NOT(out, "hushhush");
    EXPECT("connections --json", 0);
    HAS_NOT(out, "hushhush");
    json_t *all = json_loads(got.out, 0, NULL);
    json_t *first = json_array_get(json_object_get(all, "connections"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "id")), APP_ID);
    ck_assert_int_eq(json_integer_value(json_object_get(first, "bearer_expires_at")), 1);
    json_decref(all);
}
END_TEST

START_TEST(a_renewal_command_holds_no_surprises)
{
    prepare();
    char *text = rig_document("0000", "http://127.0.0.1:8000", "");
    char *workspace = strstr(text, WORKSPACE);
    memcpy(workspace, "$(touch${IFS}/tmp/og-pwned)#12345678", 36);
    char id[CONNECTION_ID_BYTES];
    connection_id("http://127.0.0.1:8000", "$(touch${IFS}/tmp/og-pwned)#12345678", id);
    char *document = mem_printf("{\"schema_version\": 1, \"connection_id\": \"%s\"%s", id,
                                strstr(text, ", \"api_url\""));
    char *name = mem_printf("connections/%s.json", id);
    rig_write(name, document);
    EXPECT("connections", 0);
    HAS(out, "credential  none");
    HAS(out, "--api-url http://127.0.0.1:8000 --workspace-id ID\n");
    mem_free(text);
    mem_free(document);
    mem_free(name);
}
END_TEST

START_TEST(invalid_documents_are_listed_and_told_by_the_status)
{
    prepare();
    put_two();
    rig_write("connections/broken.json", "{");
    rig_write("connections/\033[31mred.json", "{");
    EXPECT("connections", 1);
    HAS(out, "broken  (invalid, not served)");
    HAS(out, "not valid JSON");
    HAS_NOT(out, "\033");
    HAS(out, HOME_ID);
    EXPECT("connections --json", 1);
    HAS(out, "\"valid\": false");
    HAS_NOT(out, "\033");
    EXPECT("self-check", 1);
    HAS(out, "FAIL  connections");
}
END_TEST

START_TEST(loose_files_and_directories_are_told)
{
    prepare();
    put_two();
    chmod(rig_in("connections/" HOME_ID ".json"), 0644);
    EXPECT("connections", 0);
    HAS(err, "warning: other users could read");
    EXPECT("connections", 0);
    ck_assert_str_eq(got.err, "");
    chmod(in("config"), 0777);
    static const char *const lines[] = {"connections", "status", "run", "", "disconnect " HOME_ID};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        EXPECT(lines[i], 1);
        HAS(err, in("config"));
        HAS(err, "chmod 700");
    }
    setenv("INVOCATION_ID", "x", 1);
    EXPECT("run", 78);
}
END_TEST

START_TEST(the_connection_of_an_older_agent_is_taken_over)
{
    prepare();
    rig_write("credentials.json", "{\"agent_id\":\"" AGENT "\",\"workspace_id\":\"" WORKSPACE
                                  "\",\"nats_credentials\":\"oge_hushhush.x\"}");
    setenv("OPENGENI_API_URL", "https://one.example/", 1);
    EXPECT("connections", 0);
    HAS(out, LEGACY_ID "  https://one.example  (taken over");
    ck_assert(!exists(rig_in("credentials.json")));
    setenv("OPENGENI_API_URL", "https://two.example/", 1);
    EXPECT("connections", 0);
    HAS(out, LEGACY_ID "  https://one.example");
    rig_write("connections/" LEGACY_ID ".json", "{}");
    rig_write("credentials.json", "{\"agent_id\":\"" AGENT "\",\"workspace_id\":\"" WORKSPACE
                                  "\",\"nats_credentials\":\"oge_hushhush.x\"}");
    EXPECT("connections", 1);
    HAS(err, "credentials.json");
    HAS_NOT(err, "hushhush");
    ck_assert(exists(rig_in("credentials.json")));
}
END_TEST

START_TEST(disconnect_removes_exactly_one)
{
    prepare();
    put_two();
    rig_write("connections/64099b09ffffffffffff.json", "{");
    static const char *const nothing[] = {"disconnect abc", "disconnect 640", "disconnect 64099b09",
                                          "disconnect ffff", "disconnect ../" HOME_ID};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        EXPECT(nothing[i], 1);
    ck_assert(exists(rig_in("connections/" HOME_ID ".json")));
    EXPECT("disconnect " HOME_ID, 0);
    HAS(out, "Removed " HOME_ID "  http://127.0.0.1:8000.");
    ck_assert(!exists(rig_in("connections/" HOME_ID ".json")));
    EXPECT("disconnect 4759", 0);
    EXPECT("disconnect 6409", 0); // an invalid one, too
    EXPECT("connections --json", 0);
    HAS(out, "\"connections\": []");
}
END_TEST

START_TEST(an_empty_prefix_matches_nothing)
{
    prepare();
    put_two();
    char *argv[] = {(char *)"opengeni-agent", (char *)"disconnect", (char *)"", NULL};
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        execv(program, argv);
        _exit(127);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    ck_assert(exists(rig_in("connections/" HOME_ID ".json")));
    ck_assert(exists(rig_in("connections/" APP_ID ".json")));
}
END_TEST

// The program beside a daemon that only tells how it was started.
static void use_fake_daemon(void)
{
    static char copy[128];
    char *command = mem_string(OG_AGENT);
    int from = open(command, O_RDONLY | O_CLOEXEC), to;
    snprintf(copy, sizeof copy, "%s", in("opengeni-agent"));
    to = open(copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    char room[65536];
    for (ssize_t n; (n = read(from, room, sizeof room)) > 0;)
        ck_assert_int_eq(write(to, room, n), n);
    close(from);
    close(to);
    put(in("opengeni-agentd"), "#!/bin/sh\n"
                               "echo pid $$\n"
                               "for word; do echo \"<$word>\"; done\n"
                               "env | grep OPENGENI_ENROLL\n"
                               "exit 42\n");
    chmod(in("opengeni-agentd"), 0755);
    program = copy;
    mem_free(command);
}

START_TEST(run_becomes_the_daemon_and_hands_its_options_on)
{
    prepare();
    put_two();
    use_fake_daemon();
    setenv("OPENGENI_ENROLL_TOKEN", "hushhush", 1);
    EXPECT("run", 42);
    char *expected = mem_printf("\n<--config-dir>\n<%s>\n", in("config"));
    ck_assert_str_eq(strchr(got.out, '\n'), expected);
    mem_free(expected);
    EXPECT("", 42); // bare, but connected
    EXPECT("--ca-file /ca run --channel=beta --machine-name desk --wait "
           "--api-url HTTPS://X.example/ --workspace-id " WORKSPACE,
           42);
    HAS(out, "<--api-url>\n<https://x.example>\n<--ca-file>\n</ca>\n<--machine-name>\n<desk>\n"
             "<--wait>\n");
    HAS_NOT(out, "beta");
    HAS_NOT(out, "workspace");
    HAS_NOT(out, "hushhush");
    setenv("OPENGENI_API_URL", "https://y.example", 1);
    setenv("OPENGENI_CA_FILE", "/other", 1);
    EXPECT("run", 42);
    HAS(out, "<--api-url>\n<https://y.example>\n<--ca-file>\n</other>\n");
}
END_TEST

START_TEST(run_waits_for_a_connection_only_when_told_or_under_systemd)
{
    prepare();
    use_fake_daemon();
    EXPECT("run", 1);
    EXPECT("run --wait", 42);
    HAS(out, "<--wait>");
    rig_write("connections/broken.json", "{");
    EXPECT("run", 1);
    HAS(err, "none of the 1 connections");
    EXPECT("", 1);
    setenv("INVOCATION_ID", "x", 1);
    EXPECT("run", 42);
}
END_TEST

START_TEST(a_missing_daemon_is_told)
{
    prepare();
    put_two();
    use_fake_daemon();
    ck_assert_int_eq(unlink(in("opengeni-agentd")), 0);
    if (access(OG_LIBEXEC_DIR "/opengeni-agentd", X_OK) == 0)
        return;
    EXPECT("run", 1);
    HAS(err, "opengeni-agentd is missing");
    setenv("INVOCATION_ID", "x", 1);
    EXPECT("run", 78);
}
END_TEST

// A process that holds the lock under the given name, counts SIGHUP and ends on SIGTERM.
static pid_t start_holder(const char *name)
{
    int ready[2];
    char sign;
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int fd, number;
        pid_t other;
        sigset_t hup;
        sigemptyset(&hup);
        sigaddset(&hup, SIGHUP);
        sigprocmask(SIG_BLOCK, &hup, NULL);
        dup2(open("/dev/null", O_RDONLY), 0);
        FILE *comm = fopen("/proc/self/comm", "w");
        fputs(name, comm);
        fclose(comm);
        if (instance_lock_take(&rig_config, &fd, &other, NULL) != LOCK_TAKEN ||
            write(ready[1], "y", 1) != 1)
            _exit(1);
        sigwait(&hup, &number);
        _exit(number);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &sign, 1), 1);
    close(ready[0]);
    return child;
}

START_TEST(status_tells_what_the_running_agent_says)
{
    prepare();
    put_two();
    struct fail why;
    struct status_connection served = {.id = HOME_ID,
                                       .state = "online",
                                       .since_ms = 1,
                                       .ops_running = 2,
                                       .last_error_class = "\033[31mbad"};
    struct status status = {.pid = 1,
                            .version = "9.9.9",
                            .display = "1280x800",
                            .connections = &served,
                            .connection_count = 1};
    ck_assert(status_file_write(&rig_config, &status, &why)); // of a dead process
    EXPECT("status", 4);
    HAS(out, "Not running.");
    HAS_NOT(out, "online");
    pid_t holder = start_holder("opengeni-agentd");
    EXPECT("status", 0);
    HAS(out, "does not report its state");
    HAS_NOT(out, "online");
    status.pid = holder;
    ck_assert(status_file_write(&rig_config, &status, &why));
    EXPECT("status", 0);
    HAS(out, "version 9.9.9");
    HAS(out, "1280x800");
    HAS(out, "online for ");
    HAS(out, "2 operations running");
    HAS(out, "not served yet"); // the other one
    HAS(out, "last error  [31mbad");
    HAS_NOT(out, "\033");
    HAS(err, "runs after a restart");
    EXPECT("status --json", 0);
    HAS(out, "\"state\": \"online\"");
    EXPECT("disconnect " HOME_ID, 0);
    HAS(out, "The running agent leaves it");
    kill(holder, SIGKILL);
    ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
    EXPECT("status", 4);
}
END_TEST

START_TEST(reload_signals_our_daemon_and_nobody_else)
{
    prepare();
    int status;
    pid_t holder = start_holder("opengeni-agent"); // another build
    EXPECT("reload", 1);
    HAS(err, "no opengeni-agentd");
    ck_assert_int_eq(waitpid(holder, &status, WNOHANG), 0);
    kill(holder, SIGKILL);
    ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
    holder = start_holder("opengeni-agentd");
    EXPECT("reload", 0);
    HAS(out, "reads its connections again");
    ck_assert_int_eq(waitpid(holder, &status, 0), holder);
    ck_assert_int_eq(WEXITSTATUS(status), SIGHUP);
}
END_TEST

START_TEST(the_service_is_printed_and_told_apart)
{
    prepare();
    setenv("HOME", in("home"), 1);
    EXPECT("service install --print", 0);
    HAS(out, "\nExecStart=\"" OG_AGENT "\" run\n");
    HAS(out, "\nEnvironment=\"OPENGENI_CONFIG_DIR=");
    ck_assert_int_ne(access(in("home"), F_OK), 0); // printing changes nothing
    EXPECT("service --print", 0);
    HAS(out, "\nExecStart=\"" OG_AGENT "\" run\n");
    EXPECT("service status", 4);
    HAS(out, "not installed");
    EXPECT("uninstall", 0);
    HAS(out, "There was no service.");
    mkdir(in("home"), 0755);
    mkdir(in("home/.config"), 0755);
    mkdir(in("home/.config/systemd"), 0755);
    mkdir(in("home/.config/systemd/user"), 0755);
    put_bytes(in("home/.config/systemd/user/opengeni-agent.service"), "[Unit]\n", 7);
    EXPECT("service status", 3);
    HAS(out, "The service is installed");
    EXPECT("status", 3);
    HAS(out, "the service is installed");
    EXPECT("service dance", 2);
    EXPECT("service", 2);
    EXPECT("start --print", 2);
    setenv("PATH", "/bin\nExecStartPre=/bin/evil", 1);
    EXPECT("service install --print", 1);
    ck_assert_str_eq(got.out, "");
    HAS(err, "control character");
}
END_TEST

START_TEST(a_sound_machine_passes_the_self_check)
{
    prepare();
    put_connection(HOME_ID, "http://127.0.0.1:8000", "oge_eyJleHAiOjQxMDI0NDQ4MDB9.x");
    EXPECT("self-check", 0);
    HAS(out, "ok    cryptography");
    HAS(out, "ok    connections     1 valid");
    EXPECT("self-check --json", 0);
    json_t *report = json_loads(got.out, 0, NULL);
    ck_assert(json_is_true(json_object_get(report, "ok")));
    json_decref(report);
    EXPECT("self-check --ca-file /nonexistent/ca", 1);
    HAS(out, "FAIL  trusted CAs");
    rig_write("agent.ini", "background_jobs = perhaps\n");
    EXPECT("self-check", 1);
    HAS(out, "FAIL  settings");
    chmod(in("config"), 0777);
    EXPECT("self-check", 1);
    HAS(out, "FAIL  configuration");
    EXPECT("self-check --json", 1);
}
END_TEST

RIG_MAIN("cli", the_version_is_one_exact_line, help_fits_a_screen_and_shows_no_values,
         mistakes_end_with_status_2_and_a_usage_line, an_unconnected_machine_is_told_what_to_do,
         connections_are_listed_without_their_secrets, a_renewal_command_holds_no_surprises,
         invalid_documents_are_listed_and_told_by_the_status, loose_files_and_directories_are_told,
         the_connection_of_an_older_agent_is_taken_over, disconnect_removes_exactly_one,
         an_empty_prefix_matches_nothing, run_becomes_the_daemon_and_hands_its_options_on,
         run_waits_for_a_connection_only_when_told_or_under_systemd, a_missing_daemon_is_told,
         status_tells_what_the_running_agent_says, reload_signals_our_daemon_and_nobody_else,
         the_service_is_printed_and_told_apart, a_sound_machine_passes_the_self_check)
