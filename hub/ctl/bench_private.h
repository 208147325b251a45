// What the parts of the benchmark share.
#pragma once

#include "ctl/bench.h"
#include "ctl/ctl.h"

enum { BENCH_RESULTS_MAX = 24, BENCH_FLOOD = 64, BENCH_FILES = 10, BENCH_READ_BYTES = 512 << 10 };

struct echo;

struct bench {
    struct ctl *ctl;
    uint64_t count;
    char *directory, *file;
    struct echo *echo;
    struct {
        const char *name, *floor; // floor: the result to compare with; NULL: none
        struct summary summary;
    } results[BENCH_RESULTS_MAX];
    size_t result_count;
    bool flooded;
    uint64_t flood_failed;
    double flood_wall_ms;
};

// A request of the benchmark with everything it points to.
struct bench_request {
    Og__ControlRequest message;
    union {
        Og__PingRequest ping;
        Og__ExecRequest exec;
        Og__FsStatRequest stat;
        Og__FsListRequest list;
        Og__FsReadRequest read;
    } body;
    char *argv[2];
};

void bench_ping(struct bench_request *request);
void bench_shell(struct bench *bench, const char *text, struct bench_request *request);
void bench_stat(struct bench *bench, struct bench_request *request);
void bench_list(struct bench *bench, struct bench_request *request);

// Takes the samples over into a result and empties them.
void bench_result(struct bench *bench, const char *name, const char *floor,
                  struct samples *samples);

bool bench_flood(struct bench *bench, struct fault *fault) __attribute__((warn_unused_result));

// A floor: the least that a responder can do with nats.c. It sends every request back; to one that
// begins with ECHO_LARGE it answers with BENCH_READ_BYTES bytes, and before it answers the other
// two it runs a command to its end.
#define ECHO_LARGE   '+'
#define ECHO_SHELL   '!'
#define ECHO_PROGRAM '.'
extern char *const bench_shell_argv[], *const bench_program_argv[];
bool echo_new(const struct server *server, struct echo **out, struct fault *fault)
    __attribute__((warn_unused_result));
void echo_free(struct echo *echo); // NULL is accepted
const char *echo_subject(const struct echo *echo);

// A floor: starts the command here, reads what it prints, waits for its end. False when it cannot
// be started. samples may be NULL.
bool spawn_once(char *const *argv, struct samples *samples) __attribute__((warn_unused_result));
