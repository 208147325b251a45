#include "hub/local_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/limits.h"
#include "hub/data_dir.h"
#include "hub/private_file.h"

// -1 with errno.
static int dial(const struct data_dir *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *path = data_dir_file(dir, "hub.sock");
    size_t size = strlen(path);
    if (size < sizeof address.sun_path)
        memcpy(address.sun_path, path, size + 1);
    mem_free(path);
    int fd = size < sizeof address.sun_path ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    const struct timeval patience = {.tv_sec = HUB_LOCAL_CALL_S};
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
            io_close(&fd);
    }
    return fd;
}

static bool read_token(const struct data_dir *dir, char *token, size_t room, struct fail *why)
{
    struct buffer text;
    buffer_init(&text, HUB_SECRET_FILE_BYTES);
    bool done = private_file_read(dir->fd, "admin.token", &text, why);
    snprintf(token, room, "%.*s", (int)(text.data ? strcspn(text.data, "\n") : 0),
             text.data ? text.data : "");
    buffer_fini(&text);
    return done;
}

static bool send_request(int fd, const char *path, const char *token, json_t *body,
                         struct fail *why)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    char *request =
        mem_printf("%s %s HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n"
                   "Authorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s",
                   body ? "POST" : "GET", path, token, text ? strlen(text) : 0, text ? text : "");
    bool done = io_write_all(fd, request, strlen(request));
    if (!done)
        fail_errno(why, errno, "ask the hub", NULL);
    mem_free_secret(request);
    mem_free(text);
    return done;
}

static enum local_result read_answer(int fd, json_t **answer, struct fail *why)
{
    struct buffer text;
    buffer_init(&text, HUB_HTTP_ANSWER_BYTES_MAX);
    enum local_result result = LOCAL_FAILED;
    if (!io_read_to_end(fd, &text) || !text.size) {
        fail_because(why, FAIL_TIMEOUT, "the running hub does not answer");
    } else {
        const char *body = strstr(text.data, "\r\n\r\n");
        long status = strncmp(text.data, "HTTP/1.", 7) == 0 ? strtol(text.data + 9, NULL, 10) : 0;
        json_t *value = body ? json_loads(body + 4, 0, NULL) : NULL;
        if (status / 100 == 2 && value) {
            *answer = json_incref(value);
            result = LOCAL_DONE;
        } else {
            const char *message =
                json_string_value(json_object_get(json_object_get(value, "error"), "message"));
            fail_because(why, FAIL_INVALID, "%s", message ? message : "the running hub refuses");
            result = LOCAL_REFUSED;
        }
        json_decref(value);
    }
    buffer_fini(&text);
    return result;
}

enum local_result local_call(const struct data_dir *dir, const char *path, json_t *body,
                             json_t **answer, struct fail *why)
{
    int fd = dial(dir);
    if (fd < 0)
        return LOCAL_NO_HUB;
    char token[HUB_SECRET_FILE_BYTES];
    enum local_result result = LOCAL_FAILED;
    if (read_token(dir, token, sizeof token, why) && send_request(fd, path, token, body, why))
        result = read_answer(fd, answer, why);
    explicit_bzero(token, sizeof token);
    close(fd);
    return result;
}
