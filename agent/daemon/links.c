#include "daemon/links.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/connections.h"

struct entry {
    struct entry *next;
    struct connection *connection;
    struct link *link;
    bool seen;    // in the directory, this time
    bool leaving; // says goodbye; what has the same id starts only after that
};

// A document that could not be used; said once, and again when the reason changes.
struct problem {
    struct problem *next;
    char *name, *reason;
    bool seen;
};

struct links {
    const struct link_shared *shared;
    const struct secure_dir *config;
    const char *api_url;
    struct entry *entries;
    struct problem *problems;
    unsigned count;
    bool told_none;
};

struct links *links_new(const struct link_shared *shared, const struct secure_dir *config,
                        const char *api_url)
{
    struct links *links = mem_new(struct links);
    *links = (struct links){.shared = shared, .config = config, .api_url = api_url};
    return links;
}

static void report(struct links *links, const char *name, const char *reason)
{
    struct problem *problem = links->problems;
    while (problem && strcmp(problem->name, name) != 0)
        problem = problem->next;
    if (!problem) {
        problem = mem_new(struct problem);
        problem->name = mem_string(name);
        problem->next = links->problems;
        links->problems = problem;
    }
    problem->seen = true;
    if (problem->reason && strcmp(problem->reason, reason) == 0)
        return;
    mem_free(problem->reason);
    problem->reason = mem_string(reason);
    log_error("a connection document is not usable; the others are served", "document", name, "why",
              reason, NULL);
}

static void forget_solved_problems(struct links *links)
{
    for (struct problem **p = &links->problems, *problem; (problem = *p);) {
        if (problem->seen) {
            problem->seen = false;
            p = &problem->next;
            continue;
        }
        *p = problem->next;
        mem_free(problem->name);
        mem_free(problem->reason);
        mem_free(problem);
    }
}

static struct entry *find(struct links *links, const char *id)
{
    struct entry *entry = links->entries;
    while (entry && strcmp(entry->connection->id, id) != 0)
        entry = entry->next;
    return entry;
}

// Starts, updates or keeps the link of a document, whose connection it takes over.
static void apply(struct links *links, struct connections_entry *document)
{
    struct connection *connection = document->connection;
    struct entry *entry = find(links, connection->id);
    if (entry && entry->leaving)
        return;
    if (!entry && links->count >= LINKS_MAX) {
        report(links, document->name, "there are too many connections");
        return;
    }
    if (!entry) {
        struct fail why;
        struct link *link = link_new(links->shared, connection, &why);
        if (!link) {
            report(links, document->name, log_why(&why));
            return;
        }
        entry = mem_new(struct entry);
        entry->link = link;
        entry->next = links->entries;
        links->entries = entry;
        links->count++;
    } else if (connection_compare(entry->connection, connection) != CONNECTION_SAME) {
        log_info("connection changed", "connection", connection->id, NULL);
        link_update(entry->link, connection);
    }
    entry->seen = true;
    connection_free(entry->connection);
    entry->connection = connection;
    document->connection = NULL;
}

static void stop_removed(struct links *links)
{
    for (struct entry *entry = links->entries; entry; entry = entry->next) {
        if (!entry->seen && !entry->leaving) {
            log_info("connection removed", "connection", entry->connection->id, NULL);
            entry->leaving = true;
            link_leave(entry->link, LEAVE_USER_STOP);
        }
        entry->seen = false;
    }
}

bool links_reap(struct links *links)
{
    bool any = false;
    for (struct entry **p = &links->entries, *entry; (entry = *p);) {
        if (!entry->leaving || !link_wait(entry->link, 0, false)) {
            p = &entry->next;
            continue;
        }
        *p = entry->next;
        link_release(entry->link);
        connection_free(entry->connection);
        mem_free(entry);
        links->count--;
        any = true;
    }
    return any;
}

void links_reconcile(struct links *links)
{
    struct connections documents;
    struct fail why;
    if (!connections_load(links->config, links->api_url, &documents, &why)) {
        report(links, "connections/", log_why(&why));
        return; // what runs goes on
    }
    if (documents.legacy_problem)
        report(links, "credentials.json", documents.legacy_problem);
    for (size_t i = 0; i < documents.count; i++) {
        struct connections_entry *document = &documents.entries[i];
        if (document->mode == MODE_TIGHTENED)
            log_warn("others could read a connection document; its mode is 0600 now", "document",
                     document->name, NULL);
        if (document->connection) {
            apply(links, document);
            continue;
        }
        report(links, document->name, document->reason);
        struct entry *entry = find(links, document->name);
        if (entry) // a link that runs is better than a document that is broken
            entry->seen = true;
    }
    connections_fini(&documents);
    stop_removed(links);
    forget_solved_problems(links);
    if (links->count == 0 && !links->told_none)
        log_info("no connection yet: waiting for \"opengeni-agent connect\"", NULL);
    links->told_none = links->count == 0;
}

void links_stop(struct links *links, enum link_leave reason)
{
    int64_t until = clock_mono_ms() + LINK_STOP_MS;
    for (struct entry *entry = links->entries; entry; entry = entry->next)
        link_leave(entry->link, reason);
    for (struct entry *entry = links->entries; entry; entry = entry->next)
        if (!link_wait(entry->link, until, true))
            log_debug("not waited for", "connection", entry->connection->id, NULL);
}

unsigned links_count(const struct links *links)
{
    return links->count;
}

void links_end_work(struct links *links)
{
    for (struct entry *entry = links->entries; entry; entry = entry->next)
        link_end_work(entry->link);
}

void links_describe(struct links *links)
{
    for (struct entry *entry = links->entries; entry; entry = entry->next)
        link_describe(entry->link);
}

void links_visit(struct links *links,
                 void (*visit)(void *argument, const struct connection *, struct link *),
                 void *argument)
{
    for (struct entry *entry = links->entries; entry; entry = entry->next)
        visit(argument, entry->connection, entry->link);
}
