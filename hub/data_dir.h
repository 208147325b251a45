// The directory that holds everything a hub keeps: databases, keys, certificates. It belongs to one
// user and is nobody else's to read or write.
#pragma once

#include <stdbool.h>

struct fail;

struct data_dir {
    int fd;
    int lock; // -1 unless this process serves from the directory
    char *path;
};

// Opens the directory; create makes it (0700, parents too) when it is missing. A directory that
// others may write, or that belongs to somebody else, is refused; one that others may read is
// closed to them. Root, working on the directory of a service's user, becomes that user first, so
// that no file in it ends up as root's; unless create, it keeps the right to look everywhere,
// because what belongs to a DynamicUser lies behind a directory that only root may enter
// (systemd.exec(5)).
bool data_dir_open(struct data_dir *dir, const char *path, bool create, struct fail *why)
    __attribute__((warn_unused_result));
void data_dir_close(struct data_dir *dir);

// Makes this process the one that serves from the directory, or decides there while none serves;
// FAIL_BUSY with the other's pid when it does not end within HUB_LOCK_MS.
bool data_dir_lock(struct data_dir *dir, struct fail *why) __attribute__((warn_unused_result));

// The directory when none is named: $STATE_DIRECTORY (systemd.exec(5)), /var/lib/opengeni-hub for
// root, else $XDG_STATE_HOME/opengeni-hub or ~/.local/state/opengeni-hub. Freed with mem_free.
char *data_dir_default(void);

// DIR/name, to be freed with mem_free.
char *data_dir_file(const struct data_dir *dir, const char *name);
