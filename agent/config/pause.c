#include "config/pause.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "config/config_dir.h"
#include "config/secure_file.h"

static const char kill_word[] = "kill\n", new_word[] = "new\n";

enum pause pause_read(const struct secure_dir *config)
{
    struct buffer text;
    struct fail why;
    if (config->fd < 0)
        return PAUSE_NONE;
    if (!secure_file_read(config, CONFIG_PAUSE, SECURE_TEXT, CONFIG_PAUSE_BYTES_MAX, &text, NULL,
                          &why))
        return why.error == ENOENT ? PAUSE_NONE : PAUSE_NEW;
    bool kills = text.data && strcmp(text.data, kill_word) == 0;
    secure_file_forget(&text);
    return kills ? PAUSE_KILL : PAUSE_NEW;
}

bool pause_set(const struct secure_dir *config, bool kill, struct fail *why)
{
    const char *word = kill ? kill_word : new_word;
    return secure_file_write(config, CONFIG_PAUSE, SECURE_REPLACE, word, strlen(word), why);
}

bool pause_clear(const struct secure_dir *config, struct fail *why)
{
    return config->fd < 0 || secure_file_remove(config, CONFIG_PAUSE, why);
}
