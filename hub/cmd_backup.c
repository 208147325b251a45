#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/limits.h"
#include "hub/data_dir.h"
#include "hub/observed.h"
#include "hub/private_file.h"
#include "hub/sql.h"
#include "hub/store.h"
#include "hub/verbs.h"

static const char usage[] =
    "Usage: opengeni-hub backup [--data DIR] TO\n"
    "Copies what the hub keeps into the new directory TO, also while it runs.\n"
    "To go back: stop the hub, put the copy in place of DIR, start it.\n";

// SQLite makes a copy that belongs together, whatever is written in the meantime.
static bool copy_database(struct sql *sql, const char *to, const char *name, struct fail *why)
{
    char *path = mem_printf("%s/%s", to, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool done = fd >= 0 ? sql_run(sql, why, "VACUUM INTO ?", "s", path)
                        : fail_errno(why, errno, "create", path);
    if (fd >= 0)
        close(fd);
    mem_free(path);
    return done;
}

static bool copy_file(int from, int to, const char *name, bool needed, struct fail *why)
{
    struct buffer data;
    struct fail missing;
    buffer_init(&data, HUB_CERTIFICATE_BYTES_MAX);
    bool done = private_file_read(from, name, &data, &missing);
    if (done)
        done = private_file_write(to, name, data.data, data.size, why);
    else if (!needed && missing.error == ENOENT)
        done = true;
    else
        *why = missing;
    if (data.data)
        explicit_bzero(data.data, data.size);
    buffer_fini(&data);
    return done;
}

static bool copy_certificates(int from, int to, struct fail *why)
{
    static const char *const names[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
    int from_tls = openat(from, "tls", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from_tls < 0)
        return true; // there are none
    bool done = mkdirat(to, "tls", 0700) == 0 || fail_errno(why, errno, "create", "tls");
    int to_tls = done ? openat(to, "tls", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && done; i++)
        done = copy_file(from_tls, to_tls, names[i], false, why);
    close(from_tls);
    if (to_tls >= 0)
        close(to_tls);
    return done;
}

static bool copy_all(const struct data_dir *from, const char *to, struct fail *why)
{
    struct data_dir copy;
    struct store store;
    struct observed observed;
    if (!data_dir_open(&copy, to, false, why))
        return false;
    bool done = store_open(&store, from, why);
    if (done) {
        done = copy_database(&store.sql, copy.path, "hub.db", why);
        store_close(&store);
    }
    if (done && (done = observed_open(&observed, from, why))) {
        done = copy_database(&observed.sql, copy.path, "observed.db", why);
        observed_close(&observed);
    }
    done = done && copy_file(from->fd, copy.fd, "hub.key", true, why) &&
           copy_file(from->fd, copy.fd, "admin.token", true, why) &&
           copy_file(from->fd, copy.fd, "control.token", true, why) &&
           copy_certificates(from->fd, copy.fd, why);
    data_dir_close(&copy);
    return done;
}

// Before root becomes the owner of what is copied (data_dir.h): that one may not be able to make
// it.
static bool make_target(const char *from, const char *to, struct fail *why)
{
    struct stat st;
    if (mkdir(to, 0700) != 0)
        return fail_errno(why, errno, "create", to);
    return geteuid() != 0 || stat(from, &st) != 0 || chown(to, st.st_uid, st.st_gid) == 0 ||
           fail_errno(why, errno, "give away", to);
}

int cmd_backup(int argc, char **argv)
{
    const char *path;
    int code = verb_words(argc, argv, usage, 1, &path);
    if (code >= 0)
        return code;
    struct fail why;
    struct data_dir dir;
    const char *to = argv[optind];
    char *from = path ? mem_string(path) : data_dir_default();
    bool made = make_target(from, to, &why), opened = made && verb_open_dir(&dir, from, &why),
         done = opened && copy_all(&dir, to, &why);
    if (opened)
        data_dir_close(&dir);
    mem_free(from);
    if (done)
        return 0;
    verb_failed(&why);
    if (made && rmdir(to) != 0)
        fprintf(stderr, "opengeni-hub: what is in %s is no whole copy; delete it\n", to);
    return 1;
}
