// Who has spoken: machines as they announce themselves with hellos, heartbeats and goodbyes. There
// is no register to ask; agents repeat a heartbeat every 5 s and a hello, which alone carries the
// name, every 5 min.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nats/nats.h>

struct fault;
struct directory;

enum { SIGHTING_ID_BYTES = 80, SIGHTING_NAME_BYTES = 256, SIGHTING_TEXT_BYTES = 64 };

enum sighting_state { SIGHTING_ONLINE, SIGHTING_DRAINING, SIGHTING_LEFT };

struct sighting {
    char workspace[SIGHTING_ID_BYTES], agent[SIGHTING_ID_BYTES];
    char instance[SIGHTING_ID_BYTES]; // empty: never heard on a fenced address
    bool legacy;                      // heard on the address without an instance
    bool hello;                       // the next four are known
    char name[SIGHTING_NAME_BYTES];
    char version[SIGHTING_TEXT_BYTES], platform[SIGHTING_TEXT_BYTES];
    char root[SIGHTING_NAME_BYTES];
    bool desktop;
    enum sighting_state state;
    bool measured; // the next ones are known
    double load1, cpu_percent;
    uint64_t mem_used, mem_total;
    uint64_t uptime_ms;
    int64_t seen_ms; // wall clock
};

struct directory *directory_new(void);
void directory_free(struct directory *directory); // when no callback of nats.c can run any more

// Subscribes to every machine's announcements.
bool directory_listen(struct directory *directory, natsConnection *nats, struct fault *fault)
    __attribute__((warn_unused_result));

void directory_stop(struct directory *directory); // before the connection is closed

// One announcement. What is none, or is damaged, is passed over.
void directory_feed(struct directory *directory, const char *subject, const void *data,
                    size_t size);

// Waits for an announcement, until_ms (clock_mono_ms) at most.
void directory_wait(struct directory *directory, int64_t until_ms);

// Copies of all, by workspace, name and id; to be freed with mem_free. NULL when there are none.
struct sighting *directory_list(struct directory *directory, size_t *count);

enum directory_match {
    MATCH_NONE,
    MATCH_SURE,   // nothing that is still to come could fit better
    MATCH_SO_FAR, // a short prefix: others may have it too
    MATCH_SEVERAL,
};

// Looks for an agent id, a beginning of one, or a machine's name.
enum directory_match directory_find(struct directory *directory, const char *name,
                                    struct sighting *out);
