#include "files/read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/fail.h"

enum { CHUNK_BYTES = 16384 };

struct reading {
    int fd;
    const char *path;
    uint64_t offset, length; // length 0: to the end
    size_t max;
    struct arena *arena;
    struct fail *why;
};

static bool failed(const struct reading *reading, int error)
{
    return fail_errno(reading->why, error, "read", reading->path);
}

// 0 when this kind of file may be read, else errno.
static int refusal(mode_t mode, uint64_t length)
{
    if (S_ISDIR(mode))
        return EISDIR;
    if (S_ISREG(mode) || ((S_ISCHR(mode) || S_ISBLK(mode)) && length > 0))
        return 0;
    return EINVAL;
}

// Asked before the file is opened: to open a FIFO wakes up its writer, and to open a device may
// start a watchdog or rewind a tape. Asked again of what was opened.
static bool open_file(struct reading *reading, struct stat *facts)
{
    if (stat(reading->path, facts) < 0)
        return failed(reading, errno);
    int error = refusal(facts->st_mode, reading->length);
    if (error)
        return failed(reading, error);
    reading->fd = open(reading->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (reading->fd < 0 || fstat(reading->fd, facts) < 0)
        return failed(reading, errno);
    error = refusal(facts->st_mode, reading->length);
    return error == 0 || failed(reading, error);
}

// The end of the range, were the file endless.
static uint64_t range_end(const struct reading *reading)
{
    uint64_t end;
    if (reading->length == 0 || __builtin_add_overflow(reading->offset, reading->length, &end))
        return UINT64_MAX;
    return end;
}

// Reads up to size bytes from offset on; *got is less only at the end of the file.
static bool read_at(const struct reading *reading, unsigned char *data, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = pread(reading->fd, data + *got, size - *got, (off_t)(reading->offset + *got));
        if (n < 0 && errno == ESPIPE && reading->offset == 0)
            n = read(reading->fd, data + *got, size - *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && *got > 0)
            return true;
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        *got += (size_t)n;
    }
    return true;
}

// A file that says that it has total bytes. EOF before that is no failure: the file may have been
// cut meanwhile, and what sysfs says is the size of a page.
static bool read_sized(const struct reading *reading, uint64_t total, struct file_content *out)
{
    *out = (struct file_content){.total = total};
    if (reading->offset >= total)
        return true;
    uint64_t end = range_end(reading);
    uint64_t size = (end < total ? end : total) - reading->offset;
    if (size > reading->max)
        return fail_too_large(reading->why, size, reading->max);
    unsigned char *data = arena_roomy(reading->arena, (size_t)size);
    if (!data)
        return failed(reading, ENOMEM);
    if (!read_at(reading, data, (size_t)size, &out->size))
        return failed(reading, errno);
    out->data = data;
    if (out->size < size && (out->size > 0 || reading->offset == 0))
        out->total = reading->offset + out->size;
    return true;
}

// A character device has no size: what counts is what was asked for.
static bool read_device(const struct reading *reading, struct file_content *out)
{
    if (reading->length > INT64_MAX || reading->offset > INT64_MAX - reading->length)
        return failed(reading, EINVAL);
    if (!read_sized(reading, reading->offset + reading->length, out))
        return false;
    out->total = reading->offset + out->size;
    return true;
}

// Adds the part of the chunk at pos that lies in the range.
static bool keep(const struct reading *reading, uint64_t pos, const char *chunk, size_t size,
                 struct buffer *kept)
{
    uint64_t from = reading->offset > pos ? reading->offset - pos : 0;
    uint64_t end = range_end(reading), to = end - pos < size ? end - pos : size;
    if (pos >= end || from >= to)
        return true;
    if (buffer_append(kept, chunk + from, (size_t)(to - from)))
        return true;
    return fail_too_large(reading->why, kept->size + (to - from), reading->max);
}

// procfs: the size is known once everything has been read, and only reading in sequence works on
// every file there.
static bool read_to_end(const struct reading *reading, struct buffer *kept, uint64_t *total)
{
    char chunk[CHUNK_BYTES];
    *total = 0;
    for (;;) {
        ssize_t n = read(reading->fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(reading, errno);
        if (n == 0)
            return true;
        if (!keep(reading, *total, chunk, (size_t)n, kept))
            return false;
        *total += (uint64_t)n;
        if (*total > FS_UNSIZED_BYTES_MAX)
            return failed(reading, EFBIG);
    }
}

static bool read_unsized(const struct reading *reading, struct file_content *out)
{
    struct buffer kept;
    buffer_init(&kept, reading->max);
    *out = (struct file_content){0};
    bool read = read_to_end(reading, &kept, &out->total);
    if (read && kept.size > 0) {
        out->size = kept.size;
        void *data = arena_roomy(reading->arena, kept.size);
        if (data)
            memcpy(data, kept.data, kept.size);
        out->data = data;
        read = data || failed(reading, ENOMEM);
    }
    buffer_fini(&kept);
    return read;
}

static bool seekable(int fd)
{
    return lseek(fd, 0, SEEK_CUR) >= 0;
}

static bool read_open_file(const struct reading *reading, const struct stat *facts,
                           struct file_content *out)
{
    if (S_ISCHR(facts->st_mode))
        return read_device(reading, out);
    off_t size = S_ISBLK(facts->st_mode) ? lseek(reading->fd, 0, SEEK_END) : facts->st_size;
    if (size < 0)
        return failed(reading, errno);
    if (S_ISREG(facts->st_mode) && (size == 0 || !seekable(reading->fd)))
        return read_unsized(reading, out);
    return read_sized(reading, (uint64_t)size, out);
}

bool file_read(struct arena *arena, const char *path, uint64_t offset, uint64_t length, size_t max,
               struct file_content *out, struct fail *why)
{
    struct reading reading = {.fd = -1,
                              .path = path,
                              .offset = offset,
                              .length = length,
                              .max = max,
                              .arena = arena,
                              .why = why};
    struct stat facts;
    bool read = open_file(&reading, &facts) && read_open_file(&reading, &facts, out);
    if (reading.fd >= 0)
        close(reading.fd);
    return read;
}
