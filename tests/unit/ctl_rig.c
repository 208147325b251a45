#include "ctl_rig.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <nats/nats.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "ctl_stand_in.h"
#include "free_port.h"

extern char **environ;

struct rig rig;

enum { KEPT_MAX = 1024, PATH_BYTES = 256 };

static struct {
    pid_t server;
    unsigned options;
    natsConnection *nats;
    natsSubscription *subscriptions[2];
    void *kept[KEPT_MAX]; // freed at the end
    size_t kept_count;
} own;

static void *keep(void *memory)
{
    ck_assert_uint_lt(own.kept_count, KEPT_MAX);
    own.kept[own.kept_count++] = memory;
    return memory;
}

static bool server_answers(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)rig.port)};
    bool ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return ok;
}

static void start_server(void)
{
    char port[16], log[96];
    snprintf(port, sizeof port, "%d", rig.port);
    snprintf(log, sizeof log, "%s.nats.log", rig.root);
    char *argv[12] = {"nats-server", "-a", "127.0.0.1", "-p", port, "-l", log};
    char *cert = rig_file(".cert"), *key = rig_file(".key");
    char *const token[] = {"--auth", RIG_TOKEN}, *const tls[] = {"--tlscert", cert, "--tlskey",
                                                                 key};
    if (own.options & RIG_WITH_TOKEN)
        memcpy(argv + 7, token, sizeof token);
    if (own.options & RIG_WITH_TLS)
        memcpy(argv + 7, tls, sizeof tls);
    const char *program = getenv("NATS_SERVER");
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    int failed = posix_spawnp(&own.server, program ? program : "nats-server", NULL, &attributes,
                              argv, environ);
    if (failed)
        failed =
            posix_spawnp(&own.server, "/usr/sbin/nats-server", NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    ck_assert_msg(!failed, "nats-server cannot be started: %s", strerror(failed));
    int64_t until = clock_mono_ms() + 60000;
    while (!server_answers()) {
        ck_assert_int_lt(clock_mono_ms(), until);
        clock_sleep_ms(10);
    }
}

static void stop_server(void)
{
    kill(own.server, SIGKILL);
    waitpid(own.server, NULL, 0);
}

static void subscribe(natsSubscription **subscription, const char *subject)
{
    ck_assert_int_eq(
        natsConnection_Subscribe(subscription, own.nats, subject, stand_in_answer, NULL), NATS_OK);
}

static void make_certificate(void)
{
    char *argv[] = {"openssl",  "req",
                    "-x509",    "-newkey",
                    "rsa:2048", "-nodes",
                    "-keyout",  rig_file(".key"),
                    "-out",     rig_file(".cert"),
                    "-subj",    "/CN=here",
                    "-addext",  "subjectAltName=DNS:localhost",
                    NULL};
    pid_t pid;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    ck_assert_int_eq(posix_spawnp(&pid, "openssl", &quiet, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    int status;
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
    setenv("SSL_CERT_FILE", rig_file(".cert"), 1); // OpenSSL's own variable, for trust
}

void rig_start(unsigned options)
{
    rig = (struct rig){.root = "/tmp/og-ctl-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(rig.root));
    own.options = options;
    if (options & RIG_WITH_TLS)
        make_certificate();
    rig.port = rig_free_port();
    snprintf(rig.server, sizeof rig.server, "nats://%s:%d",
             options & RIG_WITH_TLS ? "localhost" : "127.0.0.1", rig.port);
    start_server();
    natsOptions *nats;
    ck_assert_int_eq(natsOptions_Create(&nats), NATS_OK);
    natsOptions_SetURL(nats, rig.server);
    natsOptions_SetSendAsap(nats, true);
    if (options & RIG_WITH_TOKEN)
        natsOptions_SetToken(nats, RIG_TOKEN);
    natsOptions_SetReconnectWait(nats, 50);
    natsOptions_SetMaxReconnect(nats, -1);
    ck_assert_int_eq(natsConnection_Connect(&own.nats, nats), NATS_OK);
    natsOptions_Destroy(nats);
    if (!(options & RIG_FENCED_ONLY))
        subscribe(&own.subscriptions[0], "agent." RIG_WORKSPACE "." RIG_AGENT ".rpc");
    subscribe(&own.subscriptions[1],
              "agent." RIG_WORKSPACE "." RIG_AGENT ".connection." RIG_INSTANCE ".rpc");
    ck_assert_int_eq(natsConnection_Flush(own.nats), NATS_OK);
}

void rig_restart_server(void)
{
    stop_server();
    start_server();
}

void rig_announce(void)
{
    unsigned char data[1024];
    size_t hello = stand_in_hello(data);
    char subject[256];
    const char *const prefixes[] = {"agent." RIG_WORKSPACE "." RIG_AGENT,
                                    "agent." RIG_WORKSPACE "." RIG_AGENT
                                    ".connection." RIG_INSTANCE};
    for (size_t i = own.options & RIG_FENCED_ONLY ? 1 : 0; i < 2; i++) {
        snprintf(subject, sizeof subject, "%s.hello", prefixes[i]);
        natsConnection_Publish(own.nats, subject, data, (int)hello);
    }
    size_t heartbeat = stand_in_heartbeat(data);
    for (size_t i = own.options & RIG_FENCED_ONLY ? 1 : 0; i < 2; i++) {
        snprintf(subject, sizeof subject, "%s.events", prefixes[i]);
        natsConnection_Publish(own.nats, subject, data, (int)heartbeat);
    }
}

void rig_stop(void)
{
    natsConnection_Close(own.nats);
    for (size_t i = 0; i < 2; i++)
        natsSubscription_Destroy(own.subscriptions[i]);
    natsConnection_Destroy(own.nats);
    nats_CloseAndWait(5000);
    stop_server();
    pid_t pid;
    char log[96];
    snprintf(log, sizeof log, "%s.nats.log", rig.root);
    char *argv[] = {"rm", "-rf", rig.root, log, NULL};
    if (posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) == 0)
        waitpid(pid, NULL, 0);
    while (own.kept_count > 0)
        free(own.kept[--own.kept_count]);
}

char *rig_file(const char *name)
{
    char *path = keep(malloc(PATH_BYTES));
    snprintf(path, PATH_BYTES, "%s/%s", rig.root, name);
    return path;
}

void rig_write_file(const char *name, const void *data, size_t size)
{
    char *path = rig_file(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert(io_write_all(fd, data, size));
    close(fd);
}

enum { WORDS_MAX = 32 };

static int begin(const char *input, va_list list)
{
    char *argv[WORDS_MAX] = {"opengeni-ctl"};
    size_t count = 1;
    while ((argv[count] = va_arg(list, char *)))
        ck_assert_uint_lt(++count, WORDS_MAX);
    setenv("OPENGENI_SERVER", rig.server, 1);
    char *out = rig_file(".out"), *err = rig_file(".err");
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, input ? input : "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t pid;
    ck_assert_int_eq(posix_spawn(&pid, OG_CTL, &files, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static char *take_file(const char *name, size_t *size)
{
    char *path = rig_file(name);
    struct buffer text;
    buffer_init(&text, 64u << 20);
    ck_assert(io_read_file(AT_FDCWD, path, &text));
    ck_assert(buffer_append(&text, "", 0));
    *size = text.size;
    return keep(text.data);
}

struct run rig_await(int pid)
{
    struct run run;
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    run.status = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
    run.out = take_file(".out", &run.out_size);
    run.err = take_file(".err", &run.err_size);
    return run;
}

int rig_begin(const char *input, ...)
{
    va_list list;
    va_start(list, input);
    int pid = begin(input, list);
    va_end(list);
    return pid;
}

struct run rig_run(const char *input, ...)
{
    va_list list;
    va_start(list, input);
    int pid = begin(input, list);
    va_end(list);
    return rig_await(pid);
}
