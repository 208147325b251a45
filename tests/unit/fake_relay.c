#include "fake_relay.h"

#include <netinet/tcp.h>

#include "base/clock.h"
#include "proto/wire.h"

struct connection {
    struct fake_relay *relay;
    int fd;
};

static struct relay_channel *find(struct fake_relay *relay, const char *id)
{
    for (size_t i = 0; i < relay->count; i++)
        if (strcmp(relay->channels[i]->id, id) == 0)
            return relay->channels[i];
    return NULL;
}

static void copy_span(struct wire_reader span, char *out, size_t room)
{
    size_t n = (size_t)(span.end - span.at);
    n = n < room ? n : room - 1;
    memcpy(out, span.at, n);
    out[n] = '\0';
}

// Fields of a StreamOpen and of the StreamChannel in it.
static void read_open(struct wire_reader in, struct relay_channel *out, bool inner)
{
    uint32_t number;
    enum wire_type type;
    while (in.at < in.end && wire_tag(&in, &number, &type)) {
        uint64_t value = 0;
        struct wire_reader span = {in.at, in.at};
        if (type == WIRE_VARINT ? !wire_varint(&in, &value) : !wire_span(&in, &span))
            return;
        if (!inner && number == 1)
            read_open(span, out, true);
        else if (!inner && number == 2)
            copy_span(span, out->token, sizeof out->token);
        else if (!inner && number == 4)
            out->resume = value;
        else if (inner && number == 1)
            copy_span(span, out->id, sizeof out->id);
        else if (inner && number == 4)
            out->kind = (unsigned)value;
        else if (inner && number == 5)
            out->port = (unsigned)value;
    }
}

static struct relay_channel *register_open(struct fake_relay *relay, int fd, const char *request,
                                           const unsigned char *data, size_t size)
{
    struct relay_channel open = {0};
    read_open((struct wire_reader){data + 1, data + size}, &open, false);
    struct relay_channel *channel = find(relay, open.id);
    if (!channel) {
        channel = calloc(1, sizeof *channel);
        memcpy(channel->id, open.id, sizeof open.id);
        buffer_init(&channel->text, 400u << 20);
        channel->frames = calloc(RELAY_FRAMES_MAX, sizeof *channel->frames);
        channel->fd = -1;
        relay->channels[relay->count++] = channel;
    }
    if (relay->one_per_port)
        for (size_t i = 0; i < relay->count; i++)
            if (relay->channels[i]->fd >= 0 && relay->channels[i]->port == open.port)
                shutdown(relay->channels[i]->fd, SHUT_RDWR);
    if (channel->fd >= 0)
        shutdown(channel->fd, SHUT_RDWR);
    snprintf(channel->request, sizeof channel->request, "%s", request);
    memcpy(channel->token, open.token, sizeof open.token);
    channel->kind = open.kind;
    channel->port = open.port;
    channel->resume = open.resume;
    channel->opened_ms = clock_mono_ms();
    channel->fd = fd;
    channel->opens++;
    return channel;
}

static void send_refusal(int fd, const char *text)
{
    unsigned char message[256] = {2, 0x12};
    size_t n = strlen(text);
    message[2] = (unsigned char)(n + 4);
    message[3] = 0x08, message[4] = 8, message[5] = 0x12, message[6] = (unsigned char)n;
    memcpy(message + 7, text, n);
    fake_send(fd, FAKE_BINARY, message, 7 + n);
}

// The answer to an open; false when the connection is to end.
static bool answer(struct fake_relay *relay, struct relay_channel *channel, int fd)
{
    if (relay->refuse_next > 0) {
        relay->refuse_next--;
        send_refusal(fd, relay->refusal);
        return false;
    }
    if (relay->withhold_answer)
        return true;
    if (relay->first_is_frame)
        return fake_send(fd, FAKE_BINARY, "\3\32\2hi", 5);
    unsigned char ack[16] = {2, 8, 1};
    size_t n = 3;
    if (channel->resume > 0) {
        ack[n++] = 0x18;
        n = (size_t)(wire_put_varint(ack + n, channel->resume) - ack);
    }
    return fake_send(fd, FAKE_BINARY, ack, n);
}

static void take_frame(struct relay_channel *channel, const struct datagram *frame)
{
    struct relay_frame record = {.seq = frame->seq,
                                 .time = frame->produced_at_ms,
                                 .from = channel->text.size,
                                 .size = frame->data.size};
    if (frame->seq >= channel->next_seq) {
        if (!buffer_append(&channel->text, frame->data.data, frame->data.size))
            abort();
        channel->next_seq = frame->seq + 1;
    } else {
        channel->duplicates++;
    }
    if (channel->frame_count < RELAY_FRAMES_MAX)
        channel->frames[channel->frame_count++] = record;
}

static void take(struct relay_channel *channel, unsigned kind, const void *data, size_t size)
{
    struct datagram datagram;
    if (kind == FAKE_PING)
        channel->pings++;
    if (kind == FAKE_PONG)
        snprintf(channel->pong, sizeof channel->pong, "%.*s", (int)size, (const char *)data);
    if (kind != FAKE_BINARY || !datagram_decode(data, size, &datagram))
        return;
    if (datagram.tag == DATAGRAM_FRAME)
        take_frame(channel, &datagram);
    if (datagram.tag == DATAGRAM_CLOSE) {
        channel->close_reason = datagram.reason;
        size_t n = datagram.message.size < 63 ? datagram.message.size : 63;
        memcpy(channel->close_message, datagram.message.data, n);
    }
}

static void serve(struct fake_relay *relay, int fd)
{
    char request[1024];
    unsigned char *data = NULL;
    size_t size;
    struct relay_channel *channel = NULL;
    if (!fake_upgrade(fd, request, sizeof request))
        return;
    for (unsigned kind; (kind = fake_receive(fd, &data, &size)) != 0; free(data)) {
        bool good = true;
        pthread_mutex_lock(&relay->lock);
        if (kind == FAKE_PING && !relay->deaf)
            good = fake_send(fd, FAKE_PONG, data, size);
        if (channel)
            take(channel, kind, data, size);
        else if (kind == FAKE_BINARY && size > 0 && data[0] == DATAGRAM_OPEN) {
            channel = register_open(relay, fd, request, data, size);
            good = answer(relay, channel, fd);
        }
        if (kind == FAKE_CLOSE)
            good = false;
        pthread_cond_broadcast(&relay->changed);
        pthread_mutex_unlock(&relay->lock);
        if (!good) {
            free(data);
            data = NULL;
            break;
        }
    }
    free(data);
    pthread_mutex_lock(&relay->lock);
    if (channel && channel->fd == fd)
        channel->fd = -1;
    pthread_cond_broadcast(&relay->changed);
    pthread_mutex_unlock(&relay->lock);
}

static void *connection_main(void *connection_)
{
    struct connection *connection = connection_;
    serve(connection->relay, connection->fd);
    close(connection->fd);
    free(connection);
    return NULL;
}

static void *listen_main(void *relay_)
{
    struct fake_relay *relay = relay_;
    for (;;) {
        int fd = accept4(relay->listener.listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        pthread_mutex_lock(&relay->lock);
        relay->dials++;
        pthread_mutex_unlock(&relay->lock);
        struct connection *connection = malloc(sizeof *connection);
        *connection = (struct connection){relay, fd};
        pthread_t thread;
        pthread_create(&thread, NULL, connection_main, connection);
        pthread_detach(thread);
    }
}

static void start_listening(struct fake_relay *relay)
{
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_port = htons(relay->port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&here, size) != 0 || listen(fd, 256) != 0 ||
        getsockname(fd, (struct sockaddr *)&here, &size) != 0)
        abort();
    relay->port = ntohs(here.sin_port);
    relay->listener.listener = fd;
    pthread_create(&relay->listener.thread, NULL, listen_main, relay);
}

void relay_start(struct fake_relay *relay)
{
    pthread_condattr_t monotonic;
    memset(relay, 0, sizeof *relay);
    pthread_mutex_init(&relay->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&relay->changed, &monotonic);
    start_listening(relay);
}

void relay_stop_listening(struct fake_relay *relay)
{
    shutdown(relay->listener.listener, SHUT_RDWR);
    pthread_join(relay->listener.thread, NULL);
    close(relay->listener.listener);
    pthread_mutex_lock(&relay->lock);
    for (size_t i = 0; i < relay->count; i++)
        if (relay->channels[i]->fd >= 0)
            shutdown(relay->channels[i]->fd, SHUT_RDWR);
    pthread_mutex_unlock(&relay->lock);
}

void relay_listen_again(struct fake_relay *relay)
{
    start_listening(relay);
}

static void free_channel(struct relay_channel *channel)
{
    buffer_fini(&channel->text);
    free(channel->frames);
    free(channel);
}

void relay_forget(struct fake_relay *relay, const char *id)
{
    relay_wait_gone(relay, id);
    pthread_mutex_lock(&relay->lock);
    for (size_t i = 0; i < relay->count; i++)
        if (strcmp(relay->channels[i]->id, id) == 0) {
            free_channel(relay->channels[i]);
            relay->channels[i] = relay->channels[--relay->count];
            break;
        }
    pthread_mutex_unlock(&relay->lock);
}

static bool any_channel(struct fake_relay *relay, char *id)
{
    pthread_mutex_lock(&relay->lock);
    bool any = relay->count > 0;
    if (any)
        memcpy(id, relay->channels[0]->id, strlen(relay->channels[0]->id) + 1);
    pthread_mutex_unlock(&relay->lock);
    return any;
}

void relay_stop(struct fake_relay *relay)
{
    relay_stop_listening(relay);
    for (char id[sizeof relay->channels[0]->id]; any_channel(relay, id);)
        relay_forget(relay, id);
    for (struct relay_channel *look; (look = relay->looks);) {
        relay->looks = look->older;
        free(look->text.data);
        free(look);
    }
}

// --- waiting

static bool wait_until(struct fake_relay *relay, bool (*done)(struct relay_channel *, const void *),
                       const char *id, const void *argument)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&relay->lock);
    bool good;
    int late = 0;
    for (;;) {
        struct relay_channel *channel = find(relay, id);
        good = channel && done(channel, argument);
        if (good || late)
            break;
        late = pthread_cond_timedwait(&relay->changed, &relay->lock, &until);
    }
    pthread_mutex_unlock(&relay->lock);
    return good;
}

static bool exists(struct relay_channel *channel, const void *unused)
{
    (void)channel, (void)unused;
    return true;
}

static bool has_text(struct relay_channel *channel, const void *text)
{
    return channel->text.size > 0 &&
           memmem(channel->text.data, channel->text.size, text, strlen(text)) != NULL;
}

static bool has_text_size(struct relay_channel *channel, const void *size)
{
    return channel->text.size >= *(const size_t *)size;
}

static bool has_frames(struct relay_channel *channel, const void *count)
{
    return channel->frame_count >= *(const size_t *)count;
}

static bool has_opens(struct relay_channel *channel, const void *opens)
{
    return channel->opens >= *(const unsigned *)opens;
}

static bool has_pong(struct relay_channel *channel, const void *payload)
{
    return strcmp(channel->pong, payload) == 0;
}

static bool has_closed(struct relay_channel *channel, const void *unused)
{
    (void)unused;
    return channel->close_reason != 0;
}

static bool is_gone(struct relay_channel *channel, const void *unused)
{
    (void)unused;
    return channel->fd < 0;
}

void relay_set(struct fake_relay *relay, bool *what, bool value)
{
    pthread_mutex_lock(&relay->lock);
    *what = value;
    pthread_mutex_unlock(&relay->lock);
}

void relay_refuse(struct fake_relay *relay, unsigned times, const char *text)
{
    pthread_mutex_lock(&relay->lock);
    relay->refuse_next = times;
    snprintf(relay->refusal, sizeof relay->refusal, "%s", text);
    pthread_mutex_unlock(&relay->lock);
}

unsigned relay_dials(struct fake_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    unsigned dials = relay->dials;
    pthread_mutex_unlock(&relay->lock);
    return dials;
}

static struct relay_channel *copy_of(const struct relay_channel *channel)
{
    struct relay_channel *copy = malloc(sizeof *copy);
    *copy = *channel;
    copy->text.data = malloc(channel->text.size + 1);
    if (channel->text.size > 0)
        memcpy(copy->text.data, channel->text.data, channel->text.size);
    copy->text.data[channel->text.size] = '\0';
    return copy; // frames before frame_count do not change any more
}

const struct relay_channel *relay_look(struct fake_relay *relay, const char *id)
{
    if (!wait_until(relay, exists, id, NULL))
        abort();
    pthread_mutex_lock(&relay->lock);
    struct relay_channel *copy = copy_of(find(relay, id));
    copy->older = relay->looks;
    relay->looks = copy;
    pthread_mutex_unlock(&relay->lock);
    return copy;
}

bool relay_wait_text(struct fake_relay *relay, const char *id, const char *text)
{
    return wait_until(relay, has_text, id, text);
}

bool relay_wait_text_size(struct fake_relay *relay, const char *id, size_t size)
{
    return wait_until(relay, has_text_size, id, &size);
}

bool relay_wait_frames(struct fake_relay *relay, const char *id, size_t count)
{
    return wait_until(relay, has_frames, id, &count);
}

bool relay_wait_opens(struct fake_relay *relay, const char *id, unsigned opens)
{
    return wait_until(relay, has_opens, id, &opens);
}

bool relay_wait_pong(struct fake_relay *relay, const char *id, const char *payload)
{
    return wait_until(relay, has_pong, id, payload);
}

bool relay_wait_close(struct fake_relay *relay, const char *id)
{
    return wait_until(relay, has_closed, id, NULL);
}

bool relay_wait_gone(struct fake_relay *relay, const char *id)
{
    return wait_until(relay, is_gone, id, NULL);
}

bool relay_is_connected(struct fake_relay *relay, const char *id)
{
    pthread_mutex_lock(&relay->lock);
    struct relay_channel *channel = find(relay, id);
    bool connected = channel && channel->fd >= 0;
    pthread_mutex_unlock(&relay->lock);
    return connected;
}

size_t relay_text_size(struct fake_relay *relay, const char *id)
{
    pthread_mutex_lock(&relay->lock);
    struct relay_channel *channel = find(relay, id);
    size_t size = channel ? channel->text.size : 0;
    pthread_mutex_unlock(&relay->lock);
    return size;
}

// --- to the agent

bool relay_raw(struct fake_relay *relay, const char *id, unsigned first, const void *data,
               size_t size)
{
    pthread_mutex_lock(&relay->lock);
    struct relay_channel *channel = find(relay, id);
    int fd = channel && channel->fd >= 0 ? dup(channel->fd) : -1;
    pthread_mutex_unlock(&relay->lock);
    bool sent = fd >= 0 && fake_send(fd, first, data, size);
    if (fd >= 0)
        close(fd);
    return sent;
}

bool relay_frame(struct fake_relay *relay, const char *id, uint64_t seq, int64_t time,
                 const char *data, size_t size)
{
    char *room = malloc(FRAME_HEAD_BYTES + size + FRAME_FOOT_BYTES);
    size_t total;
    memcpy(room + FRAME_HEAD_BYTES, data, size);
    char *message = datagram_wrap_frame(room + FRAME_HEAD_BYTES, size, id, seq, time, &total);
    bool sent = relay_raw(relay, id, FAKE_BINARY, message, total);
    free(room);
    return sent;
}

bool relay_type(struct fake_relay *relay, const char *id, const char *text)
{
    static uint64_t seq;
    return relay_frame(relay, id, seq++, clock_wall_ms(), text, strlen(text));
}

bool relay_say_close(struct fake_relay *relay, const char *id, unsigned reason)
{
    unsigned char message[] = {4, 0x10, (unsigned char)reason};
    return relay_raw(relay, id, FAKE_BINARY, message, sizeof message);
}

void relay_cut(struct fake_relay *relay, const char *id)
{
    pthread_mutex_lock(&relay->lock);
    struct relay_channel *channel = find(relay, id);
    if (channel && channel->fd >= 0)
        shutdown(channel->fd, SHUT_RDWR);
    pthread_mutex_unlock(&relay->lock);
}
