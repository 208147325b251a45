#include "service/unit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"

#define MARK           "# X-OpenGeni-Managed-Service="
#define MARK_OURS      MARK "c1 sha256="
#define MARK_GENERATED MARK "v2\n"

enum { SHA256_HEX_BYTES = 65 };

static void sha256_hex(const char *data, size_t size, char hex[SHA256_HEX_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (EVP_Digest(data, size, digest, &length, EVP_sha256(), NULL) != 1)
        length = 0;
    for (unsigned int i = 0; i < length; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    hex[(size_t)2 * length] = '\0';
}

// One word, quoted: systemd.syntax(7). A '%' begins a specifier everywhere. A '$' is itself: in the
// path of a program and in Environment= no variables are expanded, and "$$" stays what it is.
static bool add_quoted(struct buffer *out, const char *name, const char *value, bool command,
                       struct fail *why)
{
    bool good = buffer_append(out, "\"", 1) && buffer_append(out, name, strlen(name));
    for (const char *c = value; good && *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return fail_because(why, FAIL_INVALID,
                                "%s holds a control character, which no unit file can hold",
                                command ? "the program's path" : "a value of the environment");
        if (*c == '\\' || *c == '"')
            good = buffer_append(out, "\\", 1);
        else if (*c == '%')
            good = buffer_append(out, c, 1);
        good = good && buffer_append(out, c, 1);
    }
    good = good && buffer_append(out, "\"", 1);
    return good || fail_because(why, FAIL_INVALID, "a value is too long for a unit file");
}

static bool add(struct buffer *out, const char *text, struct fail *why)
{
    return buffer_append(out, text, strlen(text)) ||
           fail_because(why, FAIL_INVALID, "a value is too long for a unit file");
}

static bool add_variable(struct buffer *out, const char *name, const char *value, struct fail *why)
{
    return !value || (add(out, "Environment=", why) && add_quoted(out, name, value, false, why) &&
                      add(out, "\n", why));
}

static bool add_command(struct buffer *out, const char *executable, struct fail *why)
{
    if (strpbrk(executable, "\"'\\"))
        return fail_because(
            why, FAIL_INVALID,
            "the program's path holds a quote or a backslash, which systemd refuses");
    return add(out, "ExecStart=", why) && add_quoted(out, "", executable, true, why) &&
           add(out, " run\n", why);
}

static bool user_name_is_good(const char *name)
{
    return *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "_.-") == strlen(name);
}

static bool add_identity(struct buffer *out, const struct unit_wish *wish, struct fail *why)
{
    if (wish->scope != SERVICE_SYSTEM)
        return true;
    if (wish->user && !user_name_is_good(wish->user))
        return fail_because(why, FAIL_INVALID, "this is no name of a user");
    return (!wish->user ||
            (add(out, "User=", why) && add(out, wish->user, why) && add(out, "\n", why))) &&
           add(out, "StateDirectory=opengeni-agent\nStateDirectoryMode=0700\n", why) &&
           (wish->systemd < SYSTEMD_WITH_LOGIN_ENVIRONMENT ||
            add(out, "SetLoginEnvironment=yes\n", why));
}

// No sandbox: remote commands are to have the rights of the person, no more and no less.
static bool add_body(struct buffer *out, const struct unit_wish *wish, struct fail *why)
{
    bool system = wish->scope == SERVICE_SYSTEM, recent = wish->systemd >= SYSTEMD_WITH_SUBGROUP;
    const char *config = wish->config_dir || !system ? wish->config_dir : "/var/lib/opengeni-agent";
    return add(out,
               "[Unit]\n"
               "Description=OpenGeni agent\n"
               "Documentation=man:opengeni-agent(1)\n",
               why) &&
           (!system || add(out,
                           "Wants=network-online.target\n"
                           "After=network-online.target\n",
                           why)) &&
           add(out,
               "StartLimitIntervalSec=0\n"
               "\n"
               "[Service]\n"
               "Type=notify\n",
               why) &&
           add_variable(out, "PATH=", wish->path, why) &&
           add_variable(out, "OPENGENI_CONFIG_DIR=", config, why) && add_identity(out, wish, why) &&
           add_command(out, wish->executable, why) &&
           add(out,
               "ExecReload=/bin/kill -HUP $MAINPID\n"
               "Restart=always\n"
               "RestartSec=5\n",
               why) &&
           (!recent || add(out, "RestartSteps=6\nRestartMaxDelaySec=120\n", why)) &&
           add(out,
               "RestartPreventExitStatus=78\n"
               "KillMode=mixed\n"
               "KillSignal=SIGTERM\n"
               "TimeoutStopSec=15\n"
               "WatchdogSec=120\n"
               "OOMScoreAdjust=-100\n"
               "OOMPolicy=continue\n",
               why) &&
           add(out,
               recent ? "Delegate=cpu memory\nDelegateSubgroup=supervisor\n" : "Delegate=yes\n",
               why) &&
           add(out,
               "ManagedOOMPreference=avoid\n"
               "MemoryAccounting=yes\n"
               "MemoryHigh=infinity\n"
               "MemoryMax=infinity\n"
               "TasksMax=infinity\n"
               "\n"
               "[Install]\n",
               why) &&
           add(out, system ? "WantedBy=multi-user.target\n" : "WantedBy=default.target\n", why);
}

char *unit_text(const struct unit_wish *wish, struct fail *why)
{
    struct buffer body;
    char hex[SHA256_HEX_BYTES], *text = NULL;
    buffer_init(&body, UNIT_BYTES_MAX);
    if (add_body(&body, wish, why)) {
        sha256_hex(body.data, body.size, hex);
        text = mem_printf(MARK_OURS "%s\n%.*s", hex, (int)body.size, (const char *)body.data);
    }
    buffer_fini(&body);
    return text;
}

static bool begins_with(const char *text, size_t size, const char *start)
{
    return size >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

enum unit_owner unit_owner(const char *text, size_t size)
{
    if (begins_with(text, size, MARK_GENERATED))
        return memmem(text, size, "/opengeni-agent run\n", 20) ||
                       memmem(text, size, "/opengeni-agent\" run\n", 21)
                   ? UNIT_GENERATED
                   : UNIT_FOREIGN;
    size_t head = sizeof MARK_OURS - 1 + SHA256_HEX_BYTES; // with the newline
    char hex[SHA256_HEX_BYTES];
    if (!begins_with(text, size, MARK_OURS) || size < head || text[head - 1] != '\n')
        return UNIT_FOREIGN;
    sha256_hex(text + head, size - head, hex);
    return memcmp(text + sizeof MARK_OURS - 1, hex, SHA256_HEX_BYTES - 1) == 0 ? UNIT_OURS
                                                                               : UNIT_FOREIGN;
}

// What add_quoted has written behind the start of a line, up to its closing quote.
static char *take_quoted(const char *line, size_t size, const char *start)
{
    size_t skip = strlen(start), written = 0;
    if (size <= skip || memcmp(line, start, skip) != 0)
        return NULL;
    char *value = mem_array(size - skip + 1, 1);
    for (const char *c = line + skip; c < line + size && *c != '"'; c++) {
        if ((*c == '\\' || *c == '%') && c + 1 < line + size)
            c++; // the second one of "%%" is the character itself, too
        value[written++] = *c;
    }
    value[written] = '\0';
    return value;
}

static void take_value(char **value, char *found)
{
    if (!found)
        return;
    mem_free(*value);
    *value = found;
}

bool unit_values_read(const char *text, size_t size, struct unit_values *values)
{
    static const char user[] = "User=";
    *values = (struct unit_values){0};
    if (unit_owner(text, size) != UNIT_OURS || memchr(text, '\0', size))
        return false;
    for (const char *line = text, *end = text + size; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((newline ? newline : end) - line);
        take_value(&values->executable, take_quoted(line, length, "ExecStart=\""));
        take_value(&values->path, take_quoted(line, length, "Environment=\"PATH="));
        take_value(&values->config_dir,
                   take_quoted(line, length, "Environment=\"OPENGENI_CONFIG_DIR="));
        if (length > sizeof user - 1 && strncmp(line, user, sizeof user - 1) == 0)
            take_value(&values->user,
                       mem_printf("%.*s", (int)(length - sizeof user + 1), line + sizeof user - 1));
        line += length + 1;
    }
    return values->executable != NULL;
}

void unit_values_fini(struct unit_values *values)
{
    mem_free(values->executable);
    mem_free(values->path);
    mem_free(values->config_dir);
    mem_free(values->user);
    *values = (struct unit_values){0};
}

int unit_systemd_version(const char *text)
{
    if (strncmp(text, "systemd ", 8) != 0)
        return 0;
    long version = strtol(text + 8, NULL, 10);
    return version > 0 && version < 100000 ? (int)version : 0;
}
