// main() of the fuzz targets where libFuzzer is not linked: feeds each file named on the command
// line, and each file in the directories named there, to the target once.
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Exactly as large as its content, so that a sanitizer sees every read past the end.
static uint8_t *read_whole(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *data = NULL;
    if (!file || fstat(fileno(file), &status) != 0)
        goto out;
    *size = (size_t)status.st_size;
    data = malloc(*size ? *size : 1);
    if (data && fread(data, 1, *size, file) != *size) {
        free(data);
        data = NULL;
    }
out:
    if (file)
        fclose(file);
    return data;
}

static bool feed_file(const char *path)
{
    size_t size;
    uint8_t *data = read_whole(path, &size);
    if (!data) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return true;
}

static bool feed(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return feed_file(path);
    bool ok = true;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char *inner;
        if (entry->d_name[0] == '.')
            continue;
        if (asprintf(&inner, "%s/%s", path, entry->d_name) < 0)
            abort();
        ok &= feed(inner);
        free(inner);
    }
    closedir(dir);
    return ok;
}

int main(int argc, char **argv)
{
    bool ok = argc > 1;
    if (argc < 2)
        fprintf(stderr, "usage: %s <file or directory>...\n", argv[0]);
    for (int i = 1; i < argc; i++)
        ok &= feed(argv[i]);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
