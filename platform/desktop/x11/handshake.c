#include "desktop_x11/handshake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "desktop_protocol/display_name.h"

enum { COOKIES_TRIED = 4 };

static const char method_name[] = "MIT-MAGIC-COOKIE-1";

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - clock_mono_ms();
        struct pollfd poll_fd = {fd, events, 0};
        int ready = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

// A socket in the file system or, on Linux, in the abstract name space: servers have both.
static int connect_local(unsigned number, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path + abstract, sizeof address.sun_path - abstract,
                     "/tmp/.X11-unix/X%u", number);
    socklen_t size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + (size_t)n + !abstract);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, size) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool send_all(int fd, const uint8_t *data, size_t size, int64_t deadline_ms)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN && wait_for(fd, POLLOUT, deadline_ms))
            continue;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static bool receive_all(int fd, uint8_t *data, size_t size, int64_t deadline_ms)
{
    while (size > 0) {
        ssize_t n = recv(fd, data, size, 0);
        if (n < 0 && errno == EAGAIN && wait_for(fd, POLLIN, deadline_ms))
            continue;
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ECONNRESET;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static size_t padded(size_t size)
{
    return (size + 3) / 4 * 4;
}

// X protocol, connection setup: byte order, version 11.0, method and data of the authorisation.
static size_t write_hello(const struct xauth_cookie *cookie, uint8_t *out)
{
    size_t method = cookie->size ? sizeof method_name - 1 : 0;
    const uint8_t head[12] = {'l', 0, 11, 0, 0, 0, (uint8_t)method, 0, (uint8_t)cookie->size, 0};
    memset(out, 0, sizeof head + padded(method) + padded(cookie->size));
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, method_name, method);
    memcpy(out + sizeof head + padded(method), cookie->bytes, cookie->size);
    return sizeof head + padded(method) + padded(cookie->size);
}

static enum desktop_opened no_answer(struct handshake *out, const char *display)
{
    bool gone = errno == ECONNRESET || errno == EPIPE;
    snprintf(out->text, sizeof out->text, "the X server of display %s %s", display,
             gone ? "closed the connection" : "does not answer");
    return gone ? DESKTOP_NO_SERVER : DESKTOP_SILENT;
}

// The server's reasons are written for people, but not by us: only what is harmless is shown.
static enum desktop_opened refused(struct handshake *out, const char *display, uint8_t *reason,
                                   size_t size)
{
    while (size > 0 && (reason[size - 1] <= ' ' || reason[size - 1] > '~'))
        size--;
    for (size_t i = 0; i < size; i++)
        if (reason[i] < ' ' || reason[i] > '~')
            reason[i] = ' ';
    if (size > 80)
        size = 80;
    if (memmem(reason, size, "Maximum number of clients", 25)) {
        snprintf(out->text, sizeof out->text, "the X server of display %s has no room: %.*s",
                 display, (int)size, reason);
        return DESKTOP_NO_SERVER;
    }
    snprintf(out->text, sizeof out->text,
             "permission is not granted by the X server of display %s (%.*s); no cookie opens it",
             display, (int)size, reason);
    return DESKTOP_REFUSED;
}

static enum desktop_opened greet(int fd, const char *display, const struct xauth_cookie *cookie,
                                 int64_t deadline_ms, struct handshake *out)
{
    uint8_t hello[12 + 20 + XAUTH_COOKIE_MAX], head[8], reason[256];
    if (!send_all(fd, hello, write_hello(cookie, hello), deadline_ms) ||
        !receive_all(fd, head, sizeof head, deadline_ms))
        return no_answer(out, display);
    if (head[0] == 1) {
        out->cookie = *cookie;
        return DESKTOP_OPENED;
    }
    size_t size = head[1]; // of the reason, when it failed
    if (head[0] == 0 && !receive_all(fd, reason, size, deadline_ms))
        return no_answer(out, display);
    return refused(out, display, reason, head[0] == 0 ? size : 0);
}

// Anybody can take a name that has no file, and would be shown cookies and typed to.
static bool is_own(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static enum desktop_opened attempt(unsigned number, const char *display, bool own,
                                   const struct xauth_cookie *cookie, int64_t deadline_ms,
                                   struct handshake *out)
{
    int fd = connect_local(number, true);
    if (fd < 0)
        fd = connect_local(number, false);
    if (fd < 0 && errno == EAGAIN) // more clients wait than its queue takes
        return no_answer(out, display);
    if (fd >= 0 && own && !is_own(fd))
        io_close(&fd);
    if (fd < 0) {
        snprintf(out->text, sizeof out->text, "no X server listens on display %s", display);
        return DESKTOP_NO_SERVER;
    }
    enum desktop_opened opened = greet(fd, display, cookie, deadline_ms, out);
    close(fd);
    return opened;
}

static size_t read_cookies(const char *xauthority, unsigned number, struct xauth_cookie *cookies)
{
    struct buffer file;
    char host[256] = "";
    size_t count = 0;
    gethostname(host, sizeof host - 1);
    buffer_init(&file, DESKTOP_COOKIE_FILE_MAX);
    if (*xauthority && io_read_file(AT_FDCWD, xauthority, &file))
        count = xauth_cookies(file.data, file.size, number, host, cookies, COOKIES_TRIED);
    if (file.data)
        explicit_bzero(file.data, file.size);
    buffer_fini(&file);
    return count;
}

void handshake_try(const char *display, const char *xauthority, bool own, int64_t deadline_ms,
                   struct handshake *out)
{
    memset(out, 0, sizeof *out);
    unsigned number;
    if (!display_name_number(display, &number)) {
        snprintf(out->text, sizeof out->text, "display %s is not on this machine", display);
        out->opened = DESKTOP_REMOTE;
        return;
    }
    struct xauth_cookie cookies[COOKIES_TRIED + 1];
    size_t count = read_cookies(xauthority, number, cookies);
    cookies[count].size = 0; // at last without one: the server may know us by our user
    for (size_t i = 0; i <= count; i++) {
        out->opened = attempt(number, display, own, &cookies[i], deadline_ms, out);
        if (out->opened != DESKTOP_REFUSED)
            break;
    }
    explicit_bzero(cookies, sizeof cookies);
}
