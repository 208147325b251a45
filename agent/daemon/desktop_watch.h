// Notices that a desktop has come or gone, so that the control planes are told. Looking may take
// seconds and is done by a worker.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct desktop;
struct desktop_watch;
struct settings;
struct secure_dir;
struct virtual_desktop;
struct workers;

// The machine's desktop, where the owner wants one; NULL otherwise.
struct desktop *desktop_watch_open(const struct settings *settings, const char *home);

// A screen of the agent's own, of that size and by that name (NULL: the usual one); NULL when there
// is to be none at all. Its cookie is kept in the configuration directory.
struct virtual_desktop *desktop_watch_virtual(struct desktop *desktop, const char *size,
                                              const char *display, const struct secure_dir *config,
                                              char *const *environment);

struct desktop_watch *desktop_watch_new(struct desktop *desktop, struct workers *workers);

int64_t desktop_watch_next(const struct desktop_watch *watch); // when to run it, 0: never
bool desktop_watch_run(struct desktop_watch *watch);           // true: it is to be announced
