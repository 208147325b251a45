#include "desktop_x11/input_queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "desktop_protocol/message.h"
#include "desktop_protocol/sealed.h"
#include "desktop_x11/inject.h"
#include "desktop_x11/xerror.h"

enum { POSTED_TURN = 16 }; // events of viewers made before the daemon's turn

struct posted {
    struct posted *next;
    struct input_source *source;
    struct desktop_input input;
    char *text;
    bool moves; // it does no more than move the pointer
};

struct input_source {
    struct input_queue *queue;
    struct input_source *next;
    struct held held; // the thread's
    bool gone;        // under the lock, as the next one
    size_t waiting;   // events of it in the queue
    bool dropped;     // one found no room; it may have been the release of a key
    uint32_t buttons; // of its last INJECT_BUTTONS
};

struct input_queue {
    pthread_mutex_t lock;
    pthread_t thread;
    struct posted *first, *last; // under the lock, as all of these:
    size_t waiting;
    struct input_source *sources;
    struct input_source *posting; // whose event is being made
    bool ending;

    int socket, wake_fd, posted_fd;
    struct inject inject;
    struct input_source *daemon; // the source that is the daemon's socket
    atomic_int_fast64_t last_ms;
    atomic_uint_fast64_t cancelled, running; // serials
    atomic_bool held_any, working, ended;
};

static void signal_fd(int fd)
{
    uint64_t one = 1;
    if (fd >= 0 && write(fd, &one, sizeof one) < 0)
        return; // the counter is full: it is readable already
}

static void drain_fd(int fd)
{
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0)
        return;
}

static bool cancelled(void *queue_)
{
    struct input_queue *queue = queue_;
    uint64_t running = atomic_load(&queue->running);
    if (running != 0 && atomic_load(&queue->cancelled) == running)
        return true;
    pthread_mutex_lock(&queue->lock);
    bool unwanted = queue->ending || (queue->posting && queue->posting->gone);
    pthread_mutex_unlock(&queue->lock);
    return unwanted;
}

static void note_held(struct input_queue *queue)
{
    bool any = false;
    pthread_mutex_lock(&queue->lock);
    for (struct input_source *source = queue->sources; source; source = source->next)
        any |= held_any(&source->held);
    pthread_mutex_unlock(&queue->lock);
    atomic_store(&queue->held_any, any);
}

static bool run(struct input_queue *queue, struct input_source *source,
                const struct desktop_input *input, const char *text, struct fail *why)
{
    atomic_store(&queue->working, true);
    bool done = inject_run(&queue->inject, &source->held, input, text, cancelled, queue, why);
    atomic_store(&queue->last_ms, clock_mono_ms());
    atomic_store(&queue->working, false);
    note_held(queue);
    signal_fd(queue->wake_fd);
    return done;
}

// --- the daemon's requests

static bool run_request(struct input_queue *queue, const struct desktop_request *request, int fd,
                        struct fail *why)
{
    if (request->ask == DESKTOP_RELEASE)
        return inject_release(&queue->inject, &queue->daemon->held, why);
    if (request->ask != DESKTOP_INPUT)
        return fail_because(why, FAIL_PROTOCOL, "not a request for input");
    char *text = NULL;
    bool done = false;
    if (request->input.kind == DESKTOP_TEXT) {
        text = mem_array(1, (size_t)request->input.text_bytes + 1);
        if (!sealed_read(fd, text, request->input.text_bytes, why))
            goto out;
    }
    atomic_store(&queue->running, request->serial);
    done = run(queue, queue->daemon, &request->input, text, why);
    atomic_store(&queue->running, 0);
out:
    if (text)
        explicit_bzero(text, request->input.text_bytes); // it may be a password
    mem_free(text);
    return done;
}

// False when the daemon has gone.
static bool serve(struct input_queue *queue)
{
    struct desktop_request request;
    int fd;
    ssize_t size = message_receive(queue->socket, &request, sizeof request, &fd);
    if (size < 0 && errno == EAGAIN)
        return true;
    if (size <= 0 || !desktop_request_valid(&request, (size_t)size, fd >= 0)) {
        io_close(&fd);
        return false;
    }
    struct desktop_answer answer = {
        .version = DESKTOP_PROTOCOL_VERSION, .ask = request.ask, .serial = request.serial};
    struct fail why;
    if (!run_request(queue, &request, fd, &why))
        desktop_answer_fail(&answer, &why);
    io_close(&fd);
    note_held(queue);
    return message_send(queue->socket, &answer, sizeof answer, -1);
}

// --- what others have posted

static void posted_free(struct posted *posted)
{
    if (posted->text)
        explicit_bzero(posted->text, posted->input.text_bytes);
    mem_free(posted->text);
    mem_free(posted);
}

static struct posted *take_posted(struct input_queue *queue, bool *source_gone)
{
    pthread_mutex_lock(&queue->lock);
    struct posted *posted = queue->first;
    queue->posting = posted ? posted->source : NULL;
    if (posted) {
        queue->first = posted->next;
        if (!queue->first)
            queue->last = NULL;
        queue->waiting--;
        posted->source->waiting--;
        *source_gone = posted->source->gone;
    }
    pthread_mutex_unlock(&queue->lock);
    return posted;
}

static void done_posting(struct input_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->posting = NULL;
    pthread_mutex_unlock(&queue->lock);
}

// A source that something was dropped of, and that waits for nothing more.
static struct input_source *take_dropped(struct input_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct input_source *source = queue->sources;
    while (source && (!source->dropped || source->waiting > 0))
        source = source->next;
    if (source)
        source->dropped = false;
    pthread_mutex_unlock(&queue->lock);
    return source;
}

static void release_dropped(struct input_queue *queue)
{
    for (struct input_source *source; (source = take_dropped(queue));) {
        struct fail why;
        log_warn("a viewer sent more input than can be made; its keys are released", NULL);
        if (!inject_release(&queue->inject, &source->held, &why))
            log_warn("keys of a viewer could not be released", "why", log_why(&why), NULL);
        note_held(queue);
    }
}

// One turn; true: more waits.
static bool run_posted(struct input_queue *queue)
{
    bool gone;
    struct posted *posted = NULL;
    for (unsigned i = 0; i < POSTED_TURN && (posted = take_posted(queue, &gone)); i++) {
        struct fail why;
        if (!gone && !run(queue, posted->source, &posted->input, posted->text, &why))
            log_warn("input from a viewer failed", "why", log_why(&why), NULL);
        posted_free(posted);
    }
    done_posting(queue);
    release_dropped(queue);
    return posted != NULL;
}

// Sources that have gone, once nothing of them is in the queue any more.
static void bury_sources(struct input_queue *queue)
{
    for (;;) {
        pthread_mutex_lock(&queue->lock);
        struct input_source **link = &queue->sources, *gone = NULL;
        while (*link && (!(*link)->gone || (*link)->waiting > 0))
            link = &(*link)->next;
        if (*link) {
            gone = *link;
            *link = gone->next;
        }
        pthread_mutex_unlock(&queue->lock);
        if (!gone)
            return;
        struct fail why;
        if (!inject_release(&queue->inject, &gone->held, &why))
            log_warn("keys of a viewer could not be released", "why", log_why(&why), NULL);
        mem_free(gone);
    }
}

static void release_all(struct input_queue *queue)
{
    struct fail why;
    pthread_mutex_lock(&queue->lock);
    struct input_source *source = queue->sources;
    pthread_mutex_unlock(&queue->lock);
    for (; source; source = source->next) // only this thread takes any out
        if (held_any(&source->held) && !inject_release(&queue->inject, &source->held, &why))
            log_warn("held keys could not be released", "why", log_why(&why), NULL);
    note_held(queue);
}

// --- the thread

static int wait_ms(struct input_queue *queue)
{
    int64_t when = keyboard_restore_ms(&queue->inject.keyboard), now = clock_mono_ms();
    if (atomic_load(&queue->held_any)) {
        int64_t silent = atomic_load(&queue->last_ms) + DESKTOP_HELD_MS;
        when = when && when < silent ? when : silent;
    }
    return when == 0 ? -1 : when > now ? (int)(when - now) : 0;
}

static void do_timers(struct input_queue *queue)
{
    int64_t now = clock_mono_ms(), restore = keyboard_restore_ms(&queue->inject.keyboard);
    if (restore && now >= restore) {
        struct keyboard *keyboard = &queue->inject.keyboard;
        keyboard_restore(keyboard);
        held_page_spares(queue->inject.page, keyboard->spares, keyboard->spare_count);
    }
    if (atomic_load(&queue->held_any) && now >= atomic_load(&queue->last_ms) + DESKTOP_HELD_MS) {
        log_info("no input for a while; releasing what is held", NULL);
        release_all(queue);
    }
}

static bool is_ending(struct input_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool ending = queue->ending;
    pthread_mutex_unlock(&queue->lock);
    return ending;
}

static void *run_thread(void *queue_)
{
    struct input_queue *queue = queue_;
    Display *x = queue->inject.x;
    for (bool more = false; !is_ending(queue);) {
        struct pollfd fds[] = {{queue->socket, POLLIN, 0},
                               {queue->posted_fd, POLLIN, 0},
                               {ConnectionNumber(x), POLLIN, 0}};
        if (poll(fds, 3, more ? 0 : wait_ms(queue)) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            drain_fd(queue->posted_fd);
        more = run_posted(queue);
        bury_sources(queue);
        if (fds[0].revents && !serve(queue))
            break;
        if (fds[2].revents) // news of the keymap, which the next event looks at; or the end
            XEventsQueued(x, QueuedAfterReading);
        if (xerror_lost(x))
            break;
        do_timers(queue);
    }
    atomic_store(&queue->ended, true);
    if (!xerror_lost(x))
        release_all(queue);
    inject_fini(&queue->inject);
    signal_fd(queue->wake_fd);
    return NULL;
}

struct input_queue *input_queue_new(const struct display *display, int socket,
                                    struct held_page *page, int wake_fd, struct fail *why)
{
    struct input_queue *queue = mem_new(struct input_queue);
    queue->socket = socket;
    queue->wake_fd = wake_fd;
    queue->posted_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&queue->lock, NULL);
    queue->daemon = input_source_new(queue);
    if (!inject_init(&queue->inject, display, page, why))
        goto failed;
    int error = pthread_create(&queue->thread, NULL, run_thread, queue);
    if (error == 0)
        return queue;
    fail_errno(why, error, "thread", NULL);
    inject_fini(&queue->inject);
failed:
    io_close(&queue->posted_fd);
    mem_free(queue->daemon);
    pthread_mutex_destroy(&queue->lock);
    mem_free(queue);
    return NULL;
}

void input_queue_free(struct input_queue *queue)
{
    if (!queue)
        return;
    pthread_mutex_lock(&queue->lock);
    queue->ending = true;
    pthread_mutex_unlock(&queue->lock);
    signal_fd(queue->posted_fd);
    pthread_join(queue->thread, NULL);
    bool gone;
    for (struct posted *posted; (posted = take_posted(queue, &gone));)
        posted_free(posted);
    while (queue->sources) {
        struct input_source *source = queue->sources;
        queue->sources = source->next;
        mem_free(source);
    }
    io_close(&queue->posted_fd);
    pthread_mutex_destroy(&queue->lock);
    mem_free(queue);
}

struct input_source *input_source_new(struct input_queue *queue)
{
    struct input_source *source = mem_new(struct input_source);
    source->queue = queue;
    pthread_mutex_lock(&queue->lock);
    source->next = queue->sources;
    queue->sources = source;
    pthread_mutex_unlock(&queue->lock);
    return source;
}

void input_source_free(struct input_source *source)
{
    if (!source)
        return;
    struct input_queue *queue = source->queue;
    pthread_mutex_lock(&queue->lock);
    source->gone = true;
    pthread_mutex_unlock(&queue->lock);
    signal_fd(queue->posted_fd);
}

static bool only_moves(const struct input_source *source, const struct desktop_input *input)
{
    return input->kind == INJECT_BUTTONS
               ? input->button == source->buttons
               : input->kind == DESKTOP_POINTER && input->action == DESKTOP_POINTER_MOVE;
}

// With the lock. False when it is not needed: it was dropped, or a waiting move goes there instead.
static bool append(struct input_queue *queue, struct posted *posted)
{
    struct posted *last = queue->last;
    posted->moves = only_moves(posted->source, &posted->input);
    if (last && last->moves && posted->moves && last->source == posted->source) {
        last->input = posted->input;
        return false;
    }
    if (queue->waiting >= DESKTOP_POSTED_MAX) {
        posted->source->dropped = true;
        return false;
    }
    if (posted->input.kind == INJECT_BUTTONS)
        posted->source->buttons = posted->input.button;
    if (last)
        last->next = posted;
    else
        queue->first = posted;
    queue->last = posted;
    queue->waiting++;
    posted->source->waiting++;
    return true;
}

void input_source_post(struct input_source *source, const struct desktop_input *input,
                       const char *text)
{
    struct input_queue *queue = source->queue;
    if (atomic_load(&queue->ended))
        return;
    struct posted *posted = mem_new(struct posted);
    posted->source = source;
    posted->input = *input;
    posted->text = text ? mem_copy(text, (size_t)input->text_bytes + 1) : NULL;
    pthread_mutex_lock(&queue->lock);
    bool added = append(queue, posted);
    pthread_mutex_unlock(&queue->lock);
    if (!added)
        posted_free(posted);
    signal_fd(queue->posted_fd);
}

void input_queue_cancel(struct input_queue *queue, uint64_t serial)
{
    atomic_store(&queue->cancelled, serial);
}

int64_t input_queue_last_ms(const struct input_queue *queue)
{
    return atomic_load(&queue->last_ms);
}

bool input_queue_busy(const struct input_queue *queue)
{
    return atomic_load(&queue->held_any) || atomic_load(&queue->working);
}

bool input_queue_ended(const struct input_queue *queue)
{
    return atomic_load(&queue->ended);
}
