#include "desktop_client/sessions.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/io.h"

enum { FILE_BYTES_MAX = 8192 };

// The value of a line NAME=value, cut at room; "" when there is none.
static void read_value(const char *text, const char *name, char *value, size_t room)
{
    size_t size = strlen(name);
    value[0] = '\0';
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        if (strncmp(line, name, size) == 0 && line[size] == '=') {
            size_t bytes = length - size - 1;
            bytes = bytes < room ? bytes : room - 1;
            memcpy(value, line + size + 1, bytes);
            value[bytes] = '\0';
            return;
        }
        line += length + (line[length] == '\n');
    }
}

static bool read_session(const char *text, uid_t uid, struct session *session)
{
    char value[DESKTOP_NAME_BYTES_MAX];
    read_value(text, "UID", value, sizeof value);
    if (value[0] == '\0' || strtoul(value, NULL, 10) != uid)
        return false;
    read_value(text, "TYPE", value, sizeof value);
    session->type = strcmp(value, "x11") == 0       ? SESSION_X11
                    : strcmp(value, "wayland") == 0 ? SESSION_WAYLAND
                                                    : SESSION_OTHER;
    read_value(text, "STATE", value, sizeof value);
    bool closing = strcmp(value, "closing") == 0;
    read_value(text, "ACTIVE", value, sizeof value);
    session->active = strcmp(value, "1") == 0;
    read_value(text, "DISPLAY", session->display, sizeof session->display);
    return session->type != SESSION_OTHER && !closing;
}

size_t sessions_read(const char *directory, uid_t uid, struct session *sessions, size_t max)
{
    size_t count = 0;
    DIR *dir = opendir(directory);
    if (!dir)
        return 0;
    for (struct dirent *entry; count < max && (entry = readdir(dir));) {
        if (strchr(entry->d_name, '.')) // "<id>.ref" is a pipe
            continue;
        struct buffer text;
        buffer_init(&text, FILE_BYTES_MAX);
        if (io_read_file(dirfd(dir), entry->d_name, &text) && text.data &&
            read_session(text.data, uid, &sessions[count]))
            count++;
        buffer_fini(&text);
    }
    closedir(dir);
    return count;
}
