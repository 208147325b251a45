// Measures of one agent from the outside, next to floors in the same run: a responder of our own on
// another connection that does nothing but answer, and commands started here without an agent.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "ctl/samples.h"

struct ctl;
struct fault;
struct bench;

struct bench_options {
    uint64_t count;        // pings; the others in proportion
    const char *directory; // of the machine; a directory of ours is made in it, and removed
};

// Prepares the machine and the floor, and warms up.
bool bench_new(struct ctl *ctl, const struct bench_options *options, struct bench **out,
               struct fault *fault) __attribute__((warn_unused_result));
void bench_free(struct bench *bench); // removes what was made on the machine; NULL is accepted

// "ping", "exec", "stat", "list", "read", "flood"
bool bench_knows(const char *what);

// Measures one of them.
bool bench_measure(struct bench *bench, const char *what, struct fault *fault)
    __attribute__((warn_unused_result));

void bench_print(const struct bench *bench);   // a table
json_t *bench_json(const struct bench *bench); // {"ping": {"n", "p50", "p99", "max"}, ...}, us
