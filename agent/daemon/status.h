// Keeps status.json up to date, for "opengeni-agent status" and other programs of the owner.
#pragma once

#include <stdint.h>

struct link_shared;
struct links;
struct secure_dir;
struct status_writer;

struct status_writer *status_writer_new(const struct secure_dir *config,
                                        const struct link_shared *shared);

// A link changed its state; from any thread.
void status_writer_poke(void *writer);

// Somebody wants to see it as it is now: the next status_writer_run writes.
void status_writer_ask(struct status_writer *writer);

int status_writer_fd(const struct status_writer *writer);                  // readable after a poke
int64_t status_writer_next(const struct status_writer *writer);            // clock_mono_ms
void status_writer_run(struct status_writer *writer, struct links *links); // writes when it is due
void status_writer_end(struct status_writer *writer); // the last one: no connection is served

// The same to the log.
void status_writer_log(struct status_writer *writer, struct links *links);
