#include "relay/pump.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"

static void timer_fired(struct stream_timer *timer);

void pump_init(struct pump *pump, const struct pump_events *events, void *owner, int64_t rate)
{
    *pump =
        (struct pump){.events = events, .owner = owner, .watch.fd = -1, .timer.fired = timer_fired};
    bucket_init(&pump->bucket, rate, PUMP_BURST_BYTES, clock_mono_ms());
    ring_init(&pump->backlog, PUMP_BACKLOG_BYTES);
    ring_init(&pump->input, PUMP_INPUT_BYTES_MAX);
}

void pump_fini(struct pump *pump)
{
    if (pump->watch.fd >= 0)
        watch_stop(&pump->watch);
    pump->watch.fd = -1;
    timer_stop(&pump->timer);
    ring_fini(&pump->backlog);
    ring_fini(&pump->input);
}

static void check_finished(struct pump *pump)
{
    if (!pump->finishing || pump->finished)
        return;
    bool empty = !pump->readable && pump->backlog.size == 0 && pump->lost == 0;
    if (!empty && pump->live && clock_mono_ms() < pump->finish_until_ms)
        return;
    pump->finished = true;
    pump->events->finished(pump->owner);
}

static void set_hung_up(struct pump *pump)
{
    if (pump->hung_up)
        return;
    pump->hung_up = true;
    pump->events->hung_up(pump->owner);
}

// --- output

// Reads until size bytes are there or there is nothing more for now.
static size_t read_output(struct pump *pump, char *out, size_t size)
{
    size_t done = 0;
    while (pump->readable && done < size) {
        ssize_t n = read(pump->watch.fd, out + done, size - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            pump->readable = false;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            set_hung_up(pump);
    }
    bucket_take(&pump->bucket, done);
    return done;
}

// How much may be read now; sets the timer when it is nothing.
static size_t allowance(struct pump *pump)
{
    size_t room = bucket_room(&pump->bucket, PUMP_FRAME_BYTES, clock_mono_ms());
    if (room == 0)
        timer_set(&pump->timer, bucket_wait_ms(&pump->bucket, PUMP_FRAME_BYTES));
    return room;
}

// A program that writes without end must not keep the thread from everything else.
static void fill_backlog(struct pump *pump)
{
    char *room = channel_room(PUMP_FRAME_BYTES);
    for (int turn = 0; pump->readable && turn < PUMP_READS_PER_TURN; turn++) {
        size_t size = allowance(pump);
        if (size == 0)
            return;
        size = read_output(pump, room, size);
        pump->lost += ring_add_newest(&pump->backlog, room, size);
    }
    if (pump->readable)
        timer_set(&pump->timer, 0);
}

static size_t put_notice(struct pump *pump)
{
    enum { NOTICE_BYTES = 80 };
    char *room = channel_room(NOTICE_BYTES);
    int n = snprintf(room, NOTICE_BYTES, "\r\n[%" PRIu64 " bytes of output were dropped]\r\n",
                     pump->lost);
    pump->lost = 0;
    return (size_t)n;
}

static size_t take_backlog(struct pump *pump)
{
    size_t size;
    const char *data = ring_peek(&pump->backlog, &size);
    size = size < PUMP_FRAME_BYTES ? size : PUMP_FRAME_BYTES;
    memcpy(channel_room(size), data, size);
    ring_drop(&pump->backlog, size);
    return size;
}

size_t pump_produce(struct pump *pump)
{
    size_t size = 0;
    if (pump->lost > 0) {
        size = put_notice(pump);
    } else if (pump->backlog.size > 0) {
        size = take_backlog(pump);
    } else if (pump->readable) {
        size_t room = allowance(pump);
        size = room > 0 ? read_output(pump, channel_room(room), room) : 0;
    }
    if (size > 0) {
        channel_want_send(pump->channel);
        if (!pump->shown) {
            pump->shown = true;
            pump->events->shown(pump->owner);
        }
    } else {
        check_finished(pump);
    }
    return size;
}

static void move_output(struct pump *pump)
{
    if (pump->live)
        channel_want_send(pump->channel);
    else
        fill_backlog(pump);
}

// --- input

static void pause_or_resume(struct pump *pump)
{
    bool pause = pump->paused ? pump->input.size >= PUMP_INPUT_LOW_BYTES
                              : pump->input.size >= PUMP_INPUT_HIGH_BYTES;
    if (pause != pump->paused && pump->channel)
        channel_pause(pump->channel, pause);
    pump->paused = pause;
}

// How much of it the program took.
static size_t offer(struct pump *pump, const char *data, size_t size)
{
    size_t done = 0;
    while (pump->watch.fd >= 0 && done < size) {
        ssize_t n = write(pump->watch.fd, data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return size; // nobody is there to take it
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

static void deliver_input(struct pump *pump)
{
    size_t size;
    while (pump->input.size > 0) {
        const char *data = ring_peek(&pump->input, &size);
        size_t done = offer(pump, data, size);
        ring_drop(&pump->input, done);
        if (done < size)
            break;
    }
    pause_or_resume(pump);
}

bool pump_write(struct pump *pump, const void *data, size_t size)
{
    if (size > PUMP_INPUT_BYTES_MAX - pump->input.size)
        return false;
    size_t done = pump->input.size == 0 ? offer(pump, data, size) : 0;
    (void)!ring_add(&pump->input, (const char *)data + done, size - done);
    pause_or_resume(pump);
    return true;
}

// --- its life

static void timer_fired(struct stream_timer *timer)
{
    move_output(holder_of(timer, struct pump, timer));
}

static void master_ready(struct watch *watch, unsigned events)
{
    struct pump *pump = holder_of(watch, struct pump, watch);
    if (events & EPOLLOUT)
        deliver_input(pump);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        pump->readable = true;
        move_output(pump);
    }
}

void pump_start(struct pump *pump, int fd)
{
    pump->watch = (struct watch){.fd = fd, .ready = master_ready};
    watch_start(&pump->watch, EPOLLIN | EPOLLOUT | EPOLLET);
    deliver_input(pump);
}

void pump_channel(struct pump *pump, struct channel *channel)
{
    pump->channel = channel;
    if (!channel)
        pump_live(pump, false);
}

void pump_live(struct pump *pump, bool live)
{
    pump->live = live;
    if (live && pump->paused)
        channel_pause(pump->channel, true);
    if (pump->readable || pump->backlog.size > 0)
        move_output(pump);
    check_finished(pump);
}

void pump_finish(struct pump *pump)
{
    assert(!pump->finishing);
    pump->finishing = true;
    pump->finish_until_ms = clock_mono_ms() + PUMP_FINISH_MS; // others may go on writing
    pump->readable = pump->watch.fd >= 0 && !pump->hung_up;   // one more look
    if (pump->live)
        channel_want_send(pump->channel);
    check_finished(pump);
}
