#include "hub/nats_server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "hub/bucket.h"
#include "hub/nats_process.h"

struct nats_server {
    char *program, *config;
    struct cancel *stop;
    pthread_t thread;
    pthread_mutex_t lock;
    int pidfd;        // -1 while it does not run
    int64_t began_ms; // mono: when it was started last
    bool ended, ready;
    uint64_t starts;
    char error[FAIL_WHAT_BYTES];
    // Of the thread alone: what it says about clients.
    struct bucket client_lines;
    uint64_t left_out;
};

bool nats_version_has_callout(struct nats_version version)
{
    return version.major > 2 || (version.major == 2 && version.minor >= 10);
}

static void set_ready(struct nats_server *server, bool ready)
{
    pthread_mutex_lock(&server->lock);
    server->ready = ready;
    pthread_mutex_unlock(&server->lock);
}

static void signal_server(int pidfd, int number)
{
    if (pidfd >= 0)
        syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

// Warnings of the server that the hub has dealt with: refused clients are reported with the reason,
// which the server does not know; the configuration is private, and without TLS only when asked
// for; and every agent asks for the older generation's subjects too, which a hub does not give.
static bool is_known(const char *text)
{
    return strstr(text, "uthentication") || strstr(text, "uthorization") ||
           strstr(text, "Plaintext passwords") ||
           strstr(text, "Websocket not configured with TLS") ||
           strstr(text, "Subscription Violation");
}

// About one connection ("127.0.0.1:4711 - cid:12 - ..."): whoever may connect can make the server
// say such a line with every message, and shall not fill the disk with them.
static bool may_be_said(struct nats_server *server, const char *text)
{
    static const struct bucket_rate rate = {HUB_CLIENT_LOG_BURST, HUB_CLIENT_LOG_PER_SECOND};
    if (!strstr(text, " - cid:") && !strstr(text, " - wid:"))
        return true;
    if (!bucket_take(&server->client_lines, &rate, 1, clock_mono_ms())) {
        server->left_out++;
        return false;
    }
    if (server->left_out > 0)
        log_warn("nats-server", "says", "more about its clients, left out", "lines",
                 log_num(server->left_out), NULL);
    server->left_out = 0;
    return true;
}

// "[123] [ERR] text": the server's own level decides ours.
static void pass_on(struct nats_server *server, const char *line)
{
    const char *tag = strstr(line, "] [");
    const char *text = tag && strlen(tag) > 8 ? tag + 8 : line;
    bool error = tag && (strncmp(tag + 3, "ERR", 3) == 0 || strncmp(tag + 3, "FTL", 3) == 0);
    bool known = is_known(text);
    if (strcmp(text, "Server is ready") == 0)
        set_ready(server, true);
    if (known || (tag && strncmp(tag + 3, "INF", 3) == 0))
        log_debug("nats-server", "says", text, NULL);
    else if (!may_be_said(server, text))
        return;
    else if (error)
        log_error("nats-server", "says", text, NULL);
    else
        log_warn("nats-server", "says", text, NULL);
    if (error && !known) {
        pthread_mutex_lock(&server->lock);
        snprintf(server->error, sizeof server->error, "%s", text);
        pthread_mutex_unlock(&server->lock);
    }
}

static void pass_lines(struct nats_server *server, struct buffer *text)
{
    for (;;) {
        char *end = text->size ? memchr(text->data, '\n', text->size) : NULL;
        if (!end && text->size < text->max)
            return;
        size_t size = end ? (size_t)(end - text->data) : text->size;
        char *line = mem_printf("%.*s", (int)size, text->data);
        pass_on(server, line);
        mem_free(line);
        buffer_consume(text, end ? size + 1 : size);
    }
}

// False at the end of its output, or when there is nothing more for now.
static bool read_some(struct nats_server *server, int output, struct buffer *text)
{
    size_t room = text->max - text->size;
    char *to = buffer_reserve(text, room);
    ssize_t n = to ? read(output, to, room) : 0;
    if (n <= 0)
        return false;
    buffer_commit(text, (size_t)n);
    pass_lines(server, text);
    return true;
}

// Passes on what the server prints until it ends or is to be stopped.
static void follow(struct nats_server *server, struct nats_process *process)
{
    struct buffer text;
    buffer_init(&text, HUB_NATS_LINE_BYTES);
    struct pollfd polls[] = {{.fd = process->output, .events = POLLIN},
                             {.fd = process->pidfd, .events = POLLIN},
                             {.fd = cancel_fd(server->stop), .events = POLLIN}};
    while (!(polls[1].revents & POLLIN) && !(polls[2].revents & POLLIN)) {
        if (poll(polls, 3, -1) < 0 && errno != EINTR)
            break;
        if (polls[0].revents && !read_some(server, process->output, &text) &&
            polls[0].revents != POLLIN)
            polls[0].fd = -1; // it has closed its output; wait for its end
    }
    // The last words, which name the reason, may still be in the pipe.
    while (read_some(server, process->output, &text))
        ;
    buffer_fini(&text);
}

static void run_once(struct nats_server *server)
{
    struct fail why;
    struct nats_process process;
    const char *const arguments[] = {"-c", server->config, NULL};
    if (!nats_process_start(&process, server->program, arguments, &why)) {
        log_error("nats-server cannot be started", "program", server->program, "reason",
                  log_why(&why), NULL);
        pthread_mutex_lock(&server->lock);
        server->ended = true;
        snprintf(server->error, sizeof server->error, "%s", why.what);
        pthread_mutex_unlock(&server->lock);
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->pidfd = process.pidfd;
    server->began_ms = clock_mono_ms();
    server->starts++;
    pthread_mutex_unlock(&server->lock);
    log_info("nats-server started", "pid", log_num(process.pid), NULL);
    follow(server, &process);
    pthread_mutex_lock(&server->lock);
    server->pidfd = -1;
    server->ready = false;
    server->ended = true;
    pthread_mutex_unlock(&server->lock);
    bool stopping = cancel_fired(server->stop);
    int status = nats_process_end(&process, HUB_NATS_STOP_MS);
    if (!stopping)
        log_error("nats-server ended", "status", log_num(status), NULL);
}

// Waits, but not longer than the hub lives.
static void pause_ms(struct nats_server *server, int ms)
{
    struct pollfd poll_stop = {.fd = cancel_fd(server->stop), .events = POLLIN};
    int64_t until = clock_mono_ms() + ms;
    for (int64_t left = ms; left > 0; left = until - clock_mono_ms())
        if (poll(&poll_stop, 1, (int)left) > 0)
            return;
}

static void *supervise(void *argument)
{
    struct nats_server *server = argument;
    int backoff = HUB_NATS_RESTART_MS;
    while (!cancel_fired(server->stop)) {
        int64_t began = clock_mono_ms();
        run_once(server);
        if (clock_mono_ms() - began >= HUB_NATS_STABLE_MS)
            backoff = HUB_NATS_RESTART_MS;
        pause_ms(server, backoff);
        backoff = backoff * 2 < HUB_NATS_RESTART_MAX_MS ? backoff * 2 : HUB_NATS_RESTART_MAX_MS;
    }
    return NULL;
}

static void free_server(struct nats_server *server)
{
    cancel_unref(server->stop);
    pthread_mutex_destroy(&server->lock);
    mem_free(server->program);
    mem_free(server->config);
    mem_free(server);
}

struct nats_server *nats_server_start(const char *program, const char *config, struct fail *why)
{
    struct nats_server *server = mem_new(struct nats_server);
    pthread_mutex_init(&server->lock, NULL);
    server->program = mem_string(program);
    server->config = mem_string(config);
    server->stop = cancel_new();
    server->pidfd = -1;
    if (thread_start(supervise, server, &server->thread))
        return server;
    free_server(server);
    fail_errno(why, EAGAIN, "start a thread", NULL);
    return NULL;
}

void nats_server_reload(struct nats_server *server)
{
    pthread_mutex_lock(&server->lock);
    signal_server(server->pidfd, SIGHUP); // the descriptor is open as long as it is stored here
    pthread_mutex_unlock(&server->lock);
}

bool nats_server_kill(struct nats_server *server, int64_t age_ms)
{
    pthread_mutex_lock(&server->lock);
    bool kills = server->pidfd >= 0 && clock_mono_ms() - server->began_ms >= age_ms;
    if (kills)
        signal_server(server->pidfd, SIGKILL); // a stopped process takes no other
    pthread_mutex_unlock(&server->lock);
    return kills;
}

bool nats_server_ready(struct nats_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool ready = server->ready;
    pthread_mutex_unlock(&server->lock);
    return ready;
}

bool nats_server_ended(struct nats_server *server, char *error, unsigned long room)
{
    pthread_mutex_lock(&server->lock);
    bool ended = server->ended;
    snprintf(error, room, "%s", server->error);
    pthread_mutex_unlock(&server->lock);
    return ended;
}

uint64_t nats_server_starts(struct nats_server *server)
{
    pthread_mutex_lock(&server->lock);
    uint64_t starts = server->starts;
    pthread_mutex_unlock(&server->lock);
    return starts;
}

void nats_server_stop(struct nats_server *server)
{
    if (!server)
        return;
    cancel_fire(server->stop);
    pthread_join(server->thread, NULL);
    free_server(server);
}
