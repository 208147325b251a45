#include "ctl_stand_in.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/fail.h"
#include "ctl_rig.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "proto/opengeni_agent.pb-c.h"

enum { ENTRIES_MAX = 64 };

struct answer {
    Og__ControlResponse response;
    Og__AgentError error;
    union {
        Og__PingResponse ping;
        Og__ExecResponse exec;
        Og__FsReadResponse read;
        Og__FsWriteResponse write;
        Og__FsListResponse list;
        Og__FsMkdirResponse mkdir;
        Og__FsMoveResponse move;
        Og__FsStatResponse stat;
        Og__FsRemoveResponse remove;
        Og__GitResponse git;
        Og__MetricsSample metrics;
    } body;
    Og__FsEntry entry, entries[ENTRIES_MAX];
    Og__FsEntry *listed[ENTRIES_MAX];
    Og__GitStatus status;
    Og__GitFileStatus file;
    Og__GitFileStatus *files[1];
    Og__AgentError__DetailEntry detail;
    Og__AgentError__DetailEntry *details[1];
    char number[16];
    struct arena arena;
};

static void refuse(struct answer *answer, Og__ErrorCode code, int error, const char *text)
{
    og__agent_error__init(&answer->error);
    answer->error.code = error == ENOENT ? OG__ERROR_CODE__ERROR_CODE_NOT_FOUND : code;
    answer->error.retryable = code == OG__ERROR_CODE__ERROR_CODE_DRAINING;
    answer->error.message = (char *)text;
    if (error) {
        snprintf(answer->number, sizeof answer->number, "%d", error);
        og__agent_error__detail_entry__init(&answer->detail);
        answer->detail.key = "errno";
        answer->detail.value = answer->number;
        answer->details[0] = &answer->detail;
        answer->error.detail = answer->details;
        answer->error.n_detail = 1;
    }
    answer->response.error = &answer->error;
}

static void os_error(struct answer *answer, int error)
{
    refuse(answer, OG__ERROR_CODE__ERROR_CODE_OS, error, strerror(error));
}

static char *resolve(struct answer *answer, const char *path)
{
    return *path == '/' ? arena_string(&answer->arena, path)
                        : arena_printf(&answer->arena, "%s/%s", rig.root, path);
}

static void set_bytes(ProtobufCBinaryData *bytes, const char *text)
{
    bytes->data = (uint8_t *)text;
    bytes->len = strlen(text);
}

static void exec(const Og__ExecRequest *request, struct answer *answer)
{
    Og__ExecResponse *out = &answer->body.exec;
    og__exec_response__init(out);
    answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_EXEC;
    answer->response.exec = out;
    const char *name = request->command[0];
    if (strcmp(name, "args") == 0) {
        char *text = arena_printf(&answer->arena, "shell=%d cwd=%s timeout=%u env=%s",
                                  request->shell, request->cwd, request->timeout_ms,
                                  request->n_env ? request->env[0]->value : "");
        for (size_t i = 1; i < request->n_command; i++)
            text = arena_printf(&answer->arena, "%s [%s]", text, request->command[i]);
        set_bytes(&out->stdout, text);
    } else if (strcmp(name, "cat") == 0) {
        out->stdout = request->stdin;
        set_bytes(&out->stderr, "to the other\n");
    } else if (strcmp(name, "exit") == 0) {
        out->exit_code = (int)strtol(request->command[1], NULL, 10);
    } else if (strcmp(name, "sleep") == 0) {
        out->exit_code = -1;
        out->timed_out = true;
        set_bytes(&out->stderr, "timed out");
    } else if (strcmp(name, "chmod") == 0) {
        chmod(request->command[3], (mode_t)strtoul(request->command[1], NULL, 8));
    } else if (strcmp(name, "large") == 0) {
        refuse(answer, OG__ERROR_CODE__ERROR_CODE_PAYLOAD_TOO_LARGE, 0, "too large");
    } else if (strcmp(name, "denied") == 0) {
        os_error(answer, EACCES);
    } else {
        os_error(answer, ENOENT);
    }
}

static void set_entry(struct answer *answer, Og__FsEntry *entry, const char *path, const char *name)
{
    struct stat st;
    og__fs_entry__init(entry);
    if (lstat(resolve(answer, path), &st) != 0)
        return;
    entry->name = entry->path = arena_string(&answer->arena, name);
    entry->size = (uint64_t)st.st_size;
    entry->mode = st.st_mode;
    entry->modified_ms = st.st_mtime * 1000ll;
    entry->kind = S_ISDIR(st.st_mode)   ? OG__FS_ENTRY_KIND__FS_ENTRY_KIND_DIRECTORY
                  : S_ISLNK(st.st_mode) ? OG__FS_ENTRY_KIND__FS_ENTRY_KIND_SYMLINK
                                        : OG__FS_ENTRY_KIND__FS_ENTRY_KIND_FILE;
}

static void fs_stat(const Og__FsStatRequest *request, struct answer *answer)
{
    og__fs_stat_response__init(&answer->body.stat);
    answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_STAT;
    answer->response.fs_stat = &answer->body.stat;
    if (access(resolve(answer, request->path), F_OK) != 0 && errno == ENOENT) {
        struct stat st;
        if (lstat(resolve(answer, request->path), &st) != 0)
            return;
    }
    set_entry(answer, &answer->entry, request->path, request->path);
    answer->body.stat.exists = true;
    answer->body.stat.entry = &answer->entry;
}

static void fs_list(const Og__FsListRequest *request, struct answer *answer)
{
    Og__FsListResponse *out = &answer->body.list;
    og__fs_list_response__init(out);
    answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_LIST;
    answer->response.fs_list = out;
    DIR *dir = opendir(resolve(answer, request->path));
    if (!dir) {
        os_error(answer, errno);
        return;
    }
    out->entries = answer->listed;
    for (struct dirent *found; (found = readdir(dir)) && out->n_entries < ENTRIES_MAX;) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        Og__FsEntry *entry = &answer->entries[out->n_entries];
        set_entry(
            answer, entry,
            arena_printf(&answer->arena, "%s/%s", resolve(answer, request->path), found->d_name),
            found->d_name);
        answer->listed[out->n_entries++] = entry;
    }
    closedir(dir);
}

static void fs_read(const Og__FsReadRequest *request, struct answer *answer)
{
    Og__FsReadResponse *out = &answer->body.read;
    og__fs_read_response__init(out);
    answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_READ;
    answer->response.fs_read = out;
    if (rig.reads_fit && request->length > rig.reads_fit) {
        refuse(answer, OG__ERROR_CODE__ERROR_CODE_PAYLOAD_TOO_LARGE, 0, "too large");
        return;
    }
    int fd = open(resolve(answer, request->path), O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        os_error(answer, errno);
        return;
    }
    out->total_size = (uint64_t)st.st_size;
    out->content.data = arena_alloc(&answer->arena, request->length);
    ssize_t n = pread(fd, out->content.data, request->length, (off_t)request->offset);
    close(fd);
    if (n < 0) {
        os_error(answer, errno);
        return;
    }
    out->content.len = (size_t)n;
    if (rig.short_reads_from && request->offset >= (uint64_t)rig.short_reads_from && n > 0)
        out->content.len--;
}

static void fs_write(const Og__FsWriteRequest *request, struct answer *answer)
{
    og__fs_write_response__init(&answer->body.write);
    answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_WRITE;
    answer->response.fs_write = &answer->body.write;
    rig.writes++;
    if (rig.fail_writes_after && rig.writes > rig.fail_writes_after) {
        os_error(answer, ENOSPC);
        return;
    }
    int fd = open(resolve(answer, request->path),
                  O_WRONLY | O_CREAT | O_CLOEXEC | (request->append ? O_APPEND : O_TRUNC),
                  request->mode ? request->mode : 0666);
    if (fd < 0 || write(fd, request->content.data, request->content.len) < 0)
        os_error(answer, errno);
    answer->body.write.bytes_written = request->content.len;
    if (fd >= 0)
        close(fd);
}

static void git(const Og__GitRequest *request, struct answer *answer)
{
    Og__GitResponse *out = &answer->body.git;
    og__git_response__init(out);
    answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_GIT;
    answer->response.git = out;
    set_bytes(&out->stdout,
              arena_printf(&answer->arena, "op=%d args=%zu first=%s cwd=%s\n", (int)request->op,
                           request->n_args, request->n_args ? request->args[0] : "", request->cwd));
    if (request->op != OG__GIT_OP__GIT_OP_STATUS) {
        out->exit_code = 5;
        return;
    }
    og__git_status__init(&answer->status);
    og__git_file_status__init(&answer->file);
    answer->file.path = "a \033b";
    answer->file.code = ".M";
    answer->files[0] = &answer->file;
    answer->status.branch = "main";
    answer->status.upstream = "origin/main";
    answer->status.ahead = 2;
    answer->status.files = answer->files;
    answer->status.n_files = 1;
    out->status = &answer->status;
}

static void done_or(struct answer *answer, int result)
{
    if (result != 0)
        os_error(answer, errno);
}

static void serve(const Og__ControlRequest *request, struct answer *answer)
{
    switch (request->op_case) {
    case OG__CONTROL_REQUEST__OP_PING:
        og__ping_response__init(&answer->body.ping);
        answer->body.ping.nonce = request->ping->nonce;
        answer->body.ping.agent_monotonic_ms =
            rig.restart_after_exec ? 1 : (uint64_t)clock_mono_ms();
        answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_PING;
        answer->response.ping = &answer->body.ping;
        break;
    case OG__CONTROL_REQUEST__OP_EXEC:
        exec(request->exec, answer);
        break;
    case OG__CONTROL_REQUEST__OP_FS_READ:
        fs_read(request->fs_read, answer);
        break;
    case OG__CONTROL_REQUEST__OP_FS_WRITE:
        fs_write(request->fs_write, answer);
        break;
    case OG__CONTROL_REQUEST__OP_FS_LIST:
        fs_list(request->fs_list, answer);
        break;
    case OG__CONTROL_REQUEST__OP_FS_STAT:
        fs_stat(request->fs_stat, answer);
        break;
    case OG__CONTROL_REQUEST__OP_FS_MKDIR:
        og__fs_mkdir_response__init(&answer->body.mkdir);
        answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_MKDIR;
        answer->response.fs_mkdir = &answer->body.mkdir;
        done_or(answer, mkdir(resolve(answer, request->fs_mkdir->path), 0777));
        break;
    case OG__CONTROL_REQUEST__OP_FS_MOVE:
        og__fs_move_response__init(&answer->body.move);
        answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_MOVE;
        answer->response.fs_move = &answer->body.move;
        done_or(answer, renameat2(AT_FDCWD, resolve(answer, request->fs_move->from), AT_FDCWD,
                                  resolve(answer, request->fs_move->to),
                                  request->fs_move->overwrite ? 0 : RENAME_NOREPLACE));
        break;
    case OG__CONTROL_REQUEST__OP_FS_REMOVE:
        og__fs_remove_response__init(&answer->body.remove);
        answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_REMOVE;
        answer->response.fs_remove = &answer->body.remove;
        done_or(answer, remove(resolve(answer, request->fs_remove->path)));
        break;
    case OG__CONTROL_REQUEST__OP_GIT:
        git(request->git, answer);
        break;
    case OG__CONTROL_REQUEST__OP_METRICS:
        og__metrics_sample__init(&answer->body.metrics);
        answer->body.metrics.cpu_percent = 12.5;
        answer->body.metrics.mem_used_bytes = 1u << 30;
        answer->body.metrics.mem_total_bytes = 4u << 29;
        answer->response.result_case = OG__CONTROL_RESPONSE__RESULT_METRICS;
        answer->response.metrics = &answer->body.metrics;
        break;
    default:
        refuse(answer, OG__ERROR_CODE__ERROR_CODE_UNSUPPORTED, 0, "not served here");
    }
    if (answer->response.error)
        answer->response.result_case = OG__CONTROL_RESPONSE__RESULT__NOT_SET;
}

static void reply(natsConnection *nats, natsMsg *message, const Og__ControlResponse *response)
{
    size_t size = encode_size(&response->base);
    unsigned char *data = malloc(size);
    encode_message(&response->base, data, size);
    natsConnection_Publish(nats, natsMsg_GetReply(message), data, (int)size);
    free(data);
}

void stand_in_answer(natsConnection *nats, natsSubscription *subscription, natsMsg *message,
                     void *closure)
{
    (void)subscription, (void)closure;
    struct answer *answer = calloc(1, sizeof *answer);
    arena_init(&answer->arena, 64u << 20);
    struct fail why;
    const Og__ControlRequest *request =
        decode_message(&answer->arena, &og__control_request__descriptor, natsMsg_GetData(message),
                       (size_t)natsMsg_GetDataLength(message), &why);
    rig.requests++;
    if (request && rig.mute_after_exec && request->op_case == OG__CONTROL_REQUEST__OP_EXEC)
        rig.silent = true;
    bool forgotten = false;
    if (request && request->op_case == OG__CONTROL_REQUEST__OP_EXEC) {
        rig.execs++;
        forgotten = rig.restart_after_exec;
    }
    if (rig.raw_reply) {
        natsConnection_Publish(nats, natsMsg_GetReply(message), rig.raw_reply, (int)rig.raw_size);
    } else if (request && !rig.silent && !forgotten) {
        og__control_response__init(&answer->response);
        answer->response.request_id = request->request_id;
        if (rig.busy > 0) {
            rig.busy--;
            refuse(answer, OG__ERROR_CODE__ERROR_CODE_DRAINING, 0, "busy");
        } else {
            serve(request, answer);
        }
        reply(nats, message, &answer->response);
    }
    arena_fini(&answer->arena);
    free(answer);
    natsMsg_Destroy(message);
}

static size_t pack(const ProtobufCMessage *message, unsigned char *data)
{
    size_t size = encode_size(message);
    encode_message(message, data, size);
    return size;
}

size_t stand_in_hello(unsigned char *data)
{
    Og__Hello hello = OG__HELLO__INIT;
    hello.machine_name = "stand-in";
    hello.agent_version = "9.8.7";
    hello.os = OG__OS__OS_LINUX;
    return pack(&hello.base, data);
}

size_t stand_in_heartbeat(unsigned char *data)
{
    Og__MetricsSample metrics = OG__METRICS_SAMPLE__INIT;
    metrics.load1 = 0.25;
    Og__Heartbeat heartbeat = OG__HEARTBEAT__INIT;
    heartbeat.metrics = &metrics;
    Og__AgentEvent event = OG__AGENT_EVENT__INIT;
    event.event_case = OG__AGENT_EVENT__EVENT_HEARTBEAT;
    event.heartbeat = &heartbeat;
    return pack(&event.base, data);
}
