// An X server for a test: Xvfb on a display number of its own choice, gone with the test.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct xvfb {
    pid_t pid;
    char display[16];
    char directory[64]; // of its cookie file
    char cookie[96];    // the file, "" when the server wants none
};

// options: more arguments, NULL at the end, or NULL. screen: "1280x800x24". False when there is no
// Xvfb. Aborts the program when it does not start.
bool xvfb_start(struct xvfb *xvfb, const char *screen, bool with_cookie, char *const *options);
void xvfb_stop(struct xvfb *xvfb);
void xvfb_freeze(const struct xvfb *xvfb); // SIGSTOP, and back when it has come to that

// Starts a program on the display; returns its process.
pid_t xvfb_run(const struct xvfb *xvfb, char *const *arguments);

// Runs one to its end; what it prints, cut to room - 1 bytes and ended by a NUL.
size_t xvfb_output(const struct xvfb *xvfb, char *const *arguments, char *out, size_t room);

// Our own child whose first argument has the name in it, 0 when there is none.
pid_t child_named(const char *name);

void sleep_ms(int ms);
