#include "desktop_client/call.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/io.h"
#include "desktop_client/process.h"
#include "desktop_protocol/message.h"

enum { STOP_MS = 1000 }; // for input to stop when it is told to

static uint64_t next_serial(void)
{
    static atomic_uint_fast64_t serial;
    return atomic_fetch_add(&serial, 1) + 1;
}

static void ask_to_stop(struct process *process, uint64_t serial)
{
    struct desktop_request stop = {
        .version = DESKTOP_PROTOCOL_VERSION, .ask = DESKTOP_CANCEL, .serial = serial};
    if (!message_send(process_view(process), &stop, sizeof stop, -1))
        return; // it has other troubles
}

// Waits for a message; false with the reason.
static bool wait_for(int socket, int64_t deadline_ms, struct cancel *cancel,
                     enum call_result *result)
{
    for (;;) {
        int64_t left = deadline_ms - clock_mono_ms();
        struct pollfd fds[] = {{socket, POLLIN, 0}, {cancel ? cancel_fd(cancel) : -1, POLLIN, 0}};
        int ready = poll(fds, 2, left > 0 ? (int)left : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready > 0 && fds[0].revents)
            return true;
        *result = ready > 0 ? CALL_CANCELLED : CALL_LATE;
        return false;
    }
}

enum call_result call_process(struct process *process, struct desktop_request *request, int fd,
                              int64_t deadline_ms, struct cancel *cancel,
                              struct desktop_answer *answer, int *answer_fd)
{
    bool input = request->ask == DESKTOP_INPUT || request->ask == DESKTOP_RELEASE;
    int socket = input ? process_input(process) : process_view(process);
    enum call_result result;
    *answer_fd = -1;
    request->version = DESKTOP_PROTOCOL_VERSION;
    request->serial = next_serial();
    if (!message_send(socket, request, sizeof *request, fd))
        return errno == EAGAIN ? CALL_LATE : CALL_NOT_HEARD;
    for (bool stopping = false;;) {
        if (!wait_for(socket, deadline_ms, cancel, &result)) {
            if (input && !stopping)
                ask_to_stop(process, request->serial);
            if (!input || stopping || result != CALL_LATE)
                return result;
            stopping = true;
            deadline_ms += STOP_MS;
            continue;
        }
        ssize_t size = message_receive(socket, answer, sizeof *answer, answer_fd);
        if (size < 0 && errno == EAGAIN)
            continue;
        if (size <= 0 || !desktop_answer_valid(answer, (size_t)size, *answer_fd >= 0)) {
            io_close(answer_fd);
            return CALL_ENDED;
        }
        if (answer->serial == request->serial && answer->ask == request->ask)
            return stopping ? CALL_STOPPED : CALL_ANSWERED;
        io_close(answer_fd); // of a call that was given up
    }
}
