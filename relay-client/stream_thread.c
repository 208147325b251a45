// libwebsockets polls its sockets and one descriptor more: an epoll set with all of ours. So its
// habits with foreign descriptors (closing them on a hang-up, for one) do not concern us.
#include "relay/stream_thread.h"

#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "relay/ws_protocol.h"

enum { EVENTS_PER_TURN = 32 };

struct task {
    struct task *next;
    void (*run)(void *);
    void *argument;
};

static struct {
    pthread_mutex_t turnstile; // one start or stop at a time
    pthread_mutex_t lock;      // of running and the tasks
    pthread_t thread;
    bool running;
    struct task *first, **last;
    struct watch posted; // an eventfd

    // of the thread alone
    struct lws_context *context;
    struct lws_vhost *vhost;
    SSL_CTX *tls;
    int epoll;
    struct epoll_event *turn; // the events that are being handled
    int turn_size;
    struct stream_timer *timers; // the first to fire comes first
    unsigned rings;              // of the alarm clock
    bool ending;
} stream = {.turnstile = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool here;

bool stream_here(void)
{
    return here;
}

struct lws_context *stream_context(void)
{
    return stream.context;
}

struct lws_vhost *stream_vhost(void)
{
    return stream.vhost;
}

// --- descriptors

void watch_start(struct watch *watch, unsigned events)
{
    assert(here && watch->fd >= 0 && watch->ready);
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(stream.epoll, EPOLL_CTL_ADD, watch->fd, &event) != 0)
        log_error("a descriptor cannot be watched", "errno", log_num(errno), NULL);
}

void watch_stop(struct watch *watch)
{
    assert(here);
    epoll_ctl(stream.epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = 0; i < stream.turn_size; i++)
        if (stream.turn[i].data.ptr == watch)
            stream.turn[i].data.ptr = NULL;
}

static void handle_descriptors(void)
{
    struct epoll_event turn[EVENTS_PER_TURN];
    int n = epoll_wait(stream.epoll, turn, EVENTS_PER_TURN, 0);
    stream.turn = turn;
    stream.turn_size = n > 0 ? n : 0;
    for (int i = 0; i < stream.turn_size; i++) {
        struct watch *watch = turn[i].data.ptr;
        if (watch)
            watch->ready(watch, turn[i].events);
    }
    stream.turn = NULL;
    stream.turn_size = 0;
}

static int descriptors_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                                void *in, size_t size)
{
    (void)wsi, (void)user, (void)in, (void)size;
    if (reason == LWS_CALLBACK_RAW_RX_FILE)
        handle_descriptors();
    return 0;
}

// --- timers

// All timers hang on one of libwebsockets', which is set for the first of them.

static lws_sorted_usec_list_t alarm_clock;

static void ring_for_first(void);

static void alarm_rings(lws_sorted_usec_list_t *sul)
{
    (void)sul;
    int64_t now = clock_mono_ms();
    struct stream_timer *timer;
    stream.rings++; // one that is set meanwhile has to wait, whatever it says
    while ((timer = stream.timers) && timer->due_ms <= now && timer->set_at != stream.rings) {
        stream.timers = timer->next;
        timer->set = false;
        timer->fired(timer);
    }
    ring_for_first();
}

static void ring_for_first(void)
{
    if (!stream.timers) {
        lws_sul_cancel(&alarm_clock);
        return;
    }
    int64_t wait = stream.timers->due_ms - clock_mono_ms();
    lws_sul_schedule(stream.context, 0, &alarm_clock, alarm_rings,
                     wait > 0 ? wait * LWS_US_PER_MS : 1);
}

static void take_out(struct stream_timer *timer)
{
    struct stream_timer **at = &stream.timers;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    timer->set = false;
}

void timer_set(struct stream_timer *timer, int64_t after_ms)
{
    assert(here && timer->fired);
    if (timer->set)
        take_out(timer);
    timer->set = true;
    timer->set_at = stream.rings;
    timer->due_ms = clock_mono_ms() + (after_ms > 0 ? after_ms : 0);
    struct stream_timer **at = &stream.timers;
    while (*at && (*at)->due_ms <= timer->due_ms)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
    if (stream.timers == timer)
        ring_for_first();
}

void timer_stop(struct stream_timer *timer)
{
    assert(here);
    if (timer->set)
        take_out(timer);
}

// --- tasks

bool stream_post(void (*run)(void *), void *argument)
{
    struct task *task = mem_new(struct task);
    *task = (struct task){.run = run, .argument = argument};
    pthread_mutex_lock(&stream.lock);
    bool taken = stream.running;
    if (taken) {
        if (!stream.first)
            (void)!write(stream.posted.fd, &(uint64_t){1}, sizeof(uint64_t));
        *stream.last = task;
        stream.last = &task->next;
    }
    pthread_mutex_unlock(&stream.lock);
    if (!taken)
        mem_free(task);
    return taken;
}

struct call {
    void (*run)(void *);
    void *argument;
    sem_t done;
};

static void run_call(void *call_)
{
    struct call *call = call_;
    call->run(call->argument);
    sem_post(&call->done);
}

bool stream_call(void (*run)(void *), void *argument)
{
    assert(!here);
    struct call call = {.run = run, .argument = argument};
    sem_init(&call.done, 0, 0);
    bool taken = stream_post(run_call, &call);
    while (taken && sem_wait(&call.done) != 0)
        ;
    sem_destroy(&call.done);
    return taken;
}

static void run_tasks(struct watch *posted, unsigned events)
{
    (void)events;
    uint64_t count;
    (void)!read(posted->fd, &count, sizeof count);
    pthread_mutex_lock(&stream.lock);
    struct task *first = stream.first;
    stream.first = NULL;
    stream.last = &stream.first;
    pthread_mutex_unlock(&stream.lock);
    while (first) {
        struct task *task = first;
        first = task->next;
        task->run(task->argument);
        mem_free(task);
    }
}

// --- the thread

static void emit(int level, const char *line)
{
    (void)level;
    char text[LOG_LINE_BYTES / 4];
    lws_strncpy(text, line, sizeof text);
    text[strcspn(text, "\r\n")] = '\0';
    log_debug("libwebsockets", "text", text, NULL);
}

static struct lws_context *make_context(void)
{
    lws_set_log_level(log_level() >= LOG_DEBUG ? LLL_ERR | LLL_WARN | LLL_NOTICE : 0, emit);
    static const struct lws_protocols protocols[] = {
        {.name = WS_PROTOCOL_BULK, // the first one also hears of every connection's end
         .callback = ws_callback,
         .rx_buffer_size = TUNNEL_FRAME_BYTES,
         .tx_packet_size = WS_SEND_BYTES_MAX},
        {.name = WS_PROTOCOL_CHANNEL,
         .callback = ws_callback,
         .rx_buffer_size = WS_CHANNEL_RECEIVE_BYTES,
         .tx_packet_size = WS_SEND_BYTES_MAX},
        {.name = "descriptors", .callback = descriptors_callback},
        {0},
    };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS |
                   LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .fd_limit_per_thread = WS_SOCKETS_MAX, // its tables would grow with the descriptor limit
        .pt_serv_buf_size = TUNNEL_FRAME_BYTES,
        .timeout_secs = WS_LIBRARY_TIMEOUT_S, // ours are shorter
        .ka_time = WS_KEEPALIVE_S,
        .ka_interval = WS_KEEPALIVE_S,
        .ka_probes = 3,
        .http_proxy_address = "", // or it would take the one in the environment
        .provided_client_ssl_ctx = stream.tls,
        .vhost_name = "agent",
    };
#ifdef LWS_WITH_SOCKS5
    info.socks_proxy_address = "";
#endif
#ifdef LWS_SERVER_OPTION_DISABLE_TLS_SESSION_CACHE
    info.options |= LWS_SERVER_OPTION_DISABLE_TLS_SESSION_CACHE;
#endif
    struct lws_context *context = lws_create_context(&info);
    if (!context)
        return NULL;
    stream.vhost = lws_create_vhost(context, &info);
    lws_sock_file_fd_type epoll = {.filefd = stream.epoll};
    if (!stream.vhost || !lws_adopt_descriptor_vhost(stream.vhost, LWS_ADOPT_RAW_FILE_DESC, epoll,
                                                     "descriptors", NULL)) {
        lws_context_destroy(context);
        return NULL;
    }
    return context;
}

static bool set_up(void)
{
    stream.tls = ws_tls_context();
    stream.epoll = epoll_create1(EPOLL_CLOEXEC);
    stream.posted =
        (struct watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = run_tasks};
    if (!stream.tls || stream.epoll < 0 || stream.posted.fd < 0)
        return false;
    stream.context = make_context();
    if (!stream.context)
        return false;
    watch_start(&stream.posted, EPOLLIN);
    return true;
}

static void tear_down(void)
{
    if (stream.context)
        lws_context_destroy(stream.context); // closes the epoll set as well
    else if (stream.epoll >= 0)
        close(stream.epoll);
    if (stream.posted.fd >= 0)
        close(stream.posted.fd);
    SSL_CTX_free(stream.tls);
    stream.timers = NULL;
    stream.context = NULL;
    stream.vhost = NULL;
    stream.tls = NULL;
}

struct start {
    pthread_cond_t done;
    bool finished, good;
};

static void refuse_tasks(void)
{
    pthread_mutex_lock(&stream.lock);
    stream.running = false;
    pthread_mutex_unlock(&stream.lock);
}

static void *stream_main(void *start_)
{
    struct start *start = start_;
    here = true;
    bool good = set_up();
    if (!good)
        tear_down();
    pthread_mutex_lock(&stream.lock);
    stream.running = good;
    start->finished = true;
    start->good = good;
    pthread_cond_signal(&start->done);
    pthread_mutex_unlock(&stream.lock);
    while (good && !stream.ending)
        if (lws_service(stream.context, 0) < 0 && !stream.ending) {
            log_error("libwebsockets failed to serve", NULL);
            clock_sleep_ms(WS_RETRY_SERVICE_MS);
        }
    if (good) {
        refuse_tasks();
        run_tasks(&stream.posted, 0); // what was taken is done: somebody may wait for it
        tear_down();
    }
    return NULL;
}

bool stream_start(struct fail *why)
{
    pthread_mutex_lock(&stream.turnstile);
    pthread_mutex_lock(&stream.lock);
    if (!stream.running) {
        struct start start = {.done = PTHREAD_COND_INITIALIZER};
        stream.last = &stream.first;
        stream.ending = false;
        bool made = thread_start(stream_main, &start, &stream.thread);
        while (made && !start.finished)
            pthread_cond_wait(&start.done, &stream.lock);
        if (made && !start.good)
            pthread_join(stream.thread, NULL);
        pthread_cond_destroy(&start.done);
    }
    bool running = stream.running;
    pthread_mutex_unlock(&stream.lock);
    pthread_mutex_unlock(&stream.turnstile);
    return running || fail_because(why, FAIL_SYSTEM, "the stream thread cannot be started");
}

static void end(void *unused)
{
    (void)unused;
    stream.ending = true;
}

void stream_stop(void)
{
    pthread_mutex_lock(&stream.turnstile);
    pthread_mutex_lock(&stream.lock);
    bool running = stream.running;
    pthread_mutex_unlock(&stream.lock);
    if (running) {
        (void)stream_post(end, NULL);
        pthread_join(stream.thread, NULL);
    }
    pthread_mutex_unlock(&stream.turnstile);
}
