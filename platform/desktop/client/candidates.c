#include "desktop_client/candidates.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "desktop_client/sessions.h"
#include "desktop_protocol/display_name.h"

enum {
    ENVIRON_BYTES_MAX = 64 << 10,
    PROCESSES_MAX = 4096, // of the user, looked at
    SESSIONS_MAX = 16,
    SOCKETS_MAX = 64,
    NET_UNIX_BYTES_MAX = 4 << 20,
};

static struct candidate *add_display(struct candidates *out, const char *display)
{
    unsigned number, other;
    for (size_t i = 0; i < out->count; i++)
        if (strcmp(out->displays[i].display, display) == 0 ||
            (display_name_number(display, &number) &&
             display_name_number(out->displays[i].display, &other) && number == other))
            return &out->displays[i];
    if (out->count == DESKTOP_CANDIDATES_MAX || display[0] == '\0' ||
        strlen(display) >= DESKTOP_NAME_BYTES_MAX)
        return NULL;
    struct candidate *added = &out->displays[out->count++];
    *added = (struct candidate){0};
    memcpy(added->display, display, strlen(display) + 1);
    return added;
}

static void add_cookie(const struct candidate_places *places, struct candidates *out,
                       const char *path)
{
    char whole[PATH_MAX];
    struct stat st;
    if (!path || path[0] != '/' || strlen(path) >= DESKTOP_PATH_BYTES_MAX ||
        out->cookie_count == DESKTOP_COOKIES_MAX ||
        snprintf(whole, sizeof whole, "%s%s", places->root, path) >= (int)sizeof whole ||
        strlen(whole) >= DESKTOP_PATH_BYTES_MAX || stat(whole, &st) != 0 || !S_ISREG(st.st_mode) ||
        access(whole, R_OK) != 0)
        return;
    for (size_t i = 0; i < out->cookie_count; i++)
        if (strcmp(out->cookies[i], whole) == 0)
            return;
    memcpy(out->cookies[out->cookie_count++], whole, strlen(whole) + 1);
}

// --- sessions

static void add_sessions(const struct candidate_places *places, struct candidates *out)
{
    char directory[PATH_MAX];
    struct session sessions[SESSIONS_MAX];
    snprintf(directory, sizeof directory, "%s/run/systemd/sessions", places->root);
    size_t count = sessions_read(directory, places->uid, sessions, SESSIONS_MAX);
    for (int active = 1; active >= 0; active--)
        for (size_t i = 0; i < count; i++) {
            if (sessions[i].active != active)
                continue;
            bool wayland = sessions[i].type == SESSION_WAYLAND;
            out->wayland |= wayland;
            struct candidate *one = add_display(out, sessions[i].display);
            if (one)
                one->wayland |= wayland;
        }
}

// --- processes of the user

static const char *variable(const char *environment, size_t size, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = environment; at < environment + size; at += strlen(at) + 1)
        if (strncmp(at, name, length) == 0 && at[length] == '=')
            return at + length + 1;
    return NULL;
}

static void add_process(const struct candidate_places *places, struct candidates *out, int proc,
                        const char *pid)
{
    char path[sizeof((struct dirent *)0)->d_name + sizeof "/environ"];
    struct buffer environment;
    snprintf(path, sizeof path, "%s/environ", pid);
    buffer_init(&environment, ENVIRON_BYTES_MAX);
    // What is beyond the maximum is not looked at; a NUL follows in any case.
    bool read = io_read_file(proc, path, &environment) || environment.size > 0;
    if (read && environment.data) {
        const char *display = variable(environment.data, environment.size, "DISPLAY");
        const char *wayland = variable(environment.data, environment.size, "WAYLAND_DISPLAY");
        out->wayland |= wayland != NULL && *wayland;
        unsigned number;
        if (display && display_name_number(display, &number)) {
            add_display(out, display);
            add_cookie(places, out, variable(environment.data, environment.size, "XAUTHORITY"));
        }
    }
    buffer_fini(&environment);
}

static void add_processes(const struct candidate_places *places, struct candidates *out)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/proc", places->root);
    DIR *proc = opendir(path);
    if (!proc)
        return;
    unsigned looked = 0;
    for (struct dirent *entry; looked < PROCESSES_MAX && (entry = readdir(proc));) {
        struct stat st;
        if (!isdigit((unsigned char)entry->d_name[0]) ||
            fstatat(dirfd(proc), entry->d_name, &st, 0) != 0 || st.st_uid != places->uid)
            continue;
        looked++;
        add_process(places, out, dirfd(proc), entry->d_name);
    }
    closedir(proc);
}

// --- sockets

static int by_number(const void *one, const void *two)
{
    unsigned a = *(const unsigned *)one, b = *(const unsigned *)two;
    return (a > b) - (a < b);
}

// "X12" to 12.
static bool socket_number(const char *name, unsigned *number)
{
    char display[16];
    snprintf(display, sizeof display, ":%.10s", name[0] == 'X' ? name + 1 : "");
    return display_name_number(display, number) && !strchr(display, '.');
}

// Servers of other users are none of ours; root runs servers for users.
static size_t sockets_in_directory(const struct candidate_places *places, unsigned *numbers)
{
    char path[PATH_MAX];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/tmp/.X11-unix", places->root);
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    for (struct dirent *entry; count < SOCKETS_MAX && (entry = readdir(dir));) {
        struct stat st;
        if (socket_number(entry->d_name, &numbers[count]) &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            (st.st_uid == places->uid || (st.st_uid == 0 && places->uid != 0)))
            count++;
    }
    closedir(dir);
    return count;
}

static bool in_directory(const struct candidate_places *places, unsigned number)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/tmp/.X11-unix/X%u", places->root, number);
    return access(path, F_OK) == 0;
}

// Names without a file, for servers whose /tmp is another: "... @/tmp/.X11-unix/X0" (proc(5)).
static size_t sockets_without_file(const struct candidate_places *places, unsigned *numbers,
                                   size_t count)
{
    char path[PATH_MAX];
    struct buffer table;
    static const char name[] = "@/tmp/.X11-unix/";
    snprintf(path, sizeof path, "%s/proc/net/unix", places->root);
    buffer_init(&table, NET_UNIX_BYTES_MAX);
    if (io_read_file(AT_FDCWD, path, &table) && table.data)
        for (const char *at = table.data; count < SOCKETS_MAX && (at = strstr(at, name));) {
            char line[16];
            at += sizeof name - 1;
            snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
            if (socket_number(line, &numbers[count]) && !in_directory(places, numbers[count]))
                count++;
        }
    buffer_fini(&table);
    return count;
}

static void add_sockets(const struct candidate_places *places, struct candidates *out)
{
    unsigned numbers[SOCKETS_MAX];
    size_t count = sockets_in_directory(places, numbers);
    count = sockets_without_file(places, numbers, count);
    qsort(numbers, count, sizeof *numbers, by_number);
    for (size_t i = 0; i < count; i++) {
        char display[16];
        size_t before = out->count;
        snprintf(display, sizeof display, ":%u", numbers[i]);
        struct candidate *one = add_display(out, display);
        if (one && out->count > before)
            one->guessed = true;
    }
}

// --- cookies

static void add_matching(const struct candidate_places *places, struct candidates *out,
                         const char *pattern)
{
    char whole[PATH_MAX];
    glob_t found;
    snprintf(whole, sizeof whole, "%s%s", places->root, pattern);
    if (glob(whole, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            add_cookie(places, out, found.gl_pathv[i] + strlen(places->root));
    globfree(&found);
}

static void add_usual_cookies(const struct candidate_places *places, struct candidates *out)
{
    // Where display managers put them: gdm, sddm and Plasma, lightdm with
    // user-authority-in-system-dir.
    static const char *const patterns[] = {"/run/user/%u/gdm/Xauthority", "/run/user/%u/xauth_*",
                                           "/run/user/%u/.Xauthority"};
    char path[PATH_MAX];
    if (places->home) {
        snprintf(path, sizeof path, "%s/.Xauthority", places->home);
        add_cookie(places, out, path);
    }
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        int n = snprintf(path, sizeof path, "/run/user/%u", (unsigned)places->uid);
        snprintf(path + n, sizeof path - (size_t)n, "%s", patterns[i] + strlen("/run/user/%u"));
        add_matching(places, out, path);
    }
}

void candidates_find(const struct candidate_places *places, struct candidates *out)
{
    memset(out, 0, sizeof *out);
    add_cookie(places, out, places->xauthority);
    if (places->display)
        add_display(out, places->display);
    add_sessions(places, out);
    add_processes(places, out);
    add_sockets(places, out);
    add_usual_cookies(places, out);
}
