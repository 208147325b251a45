// The links of the process: one for each connection document, brought in line with the directory
// whenever that changes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "link/link.h"

struct links;
struct secure_dir;

// api_url: hint for a migrated connection. Both must live longer.
struct links *links_new(const struct link_shared *shared, const struct secure_dir *config,
                        const char *api_url);

// Reads all documents and starts, updates and stops links as they say. A document that is broken
// now leaves a running link alone.
void links_reconcile(struct links *links);

// Lets go of removed links that have said goodbye. True when there was one: its connection may be
// back, and waits for links_reconcile.
bool links_reap(struct links *links);

// Ends all links cleanly, within LINK_STOP_MS; those without a session are not waited for.
void links_stop(struct links *links, enum link_leave reason);

unsigned links_count(const struct links *links);
void links_describe(struct links *links);
void links_end_work(struct links *links); // and go on without it

// Calls visit for each link with its document.
void links_visit(struct links *links,
                 void (*visit)(void *argument, const struct connection *, struct link *),
                 void *argument);
