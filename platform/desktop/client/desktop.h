// The desktop of this machine, for the daemon. Pictures and input are made by another process
// (opengeni-agent-desktop), which is started when it is first needed, ends when it has not been
// needed for a minute, and is killed when it does not answer in time: an X server that hangs costs
// one failed call. All functions may be called from any thread; none waits longer than its
// deadline.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/limits.h"
#include "desktop_protocol/protocol.h"

struct cancel;
struct desktop;

struct desktop_options {
    const char *program;    // path of the desktop process
    const char *display;    // $DISPLAY, or from the configuration; NULL: look for one
    const char *xauthority; // $XAUTHORITY, the same
    const char *home;       // NULL when there is none
    bool primary_only;      // of several monitors, show the primary one
    int64_t idle_ms;        // the process ends after so long without use; 0: DESKTOP_IDLE_MS
};

struct desktop *desktop_new(const struct desktop_options *options);
void desktop_free(struct desktop *desktop); // lets go of what is pressed

// From now on this display and no other; NULL: look for one again.
void desktop_use(struct desktop *desktop, const char *display, const char *xauthority);
// The same for a virtual one that the agent has made.
void desktop_use_virtual(struct desktop *desktop, const char *display, const char *xauthority);
// From now on none at all, whatever is there; reason: as in desktop_state.
void desktop_use_none(struct desktop *desktop, const char *reason);

struct desktop_state {
    bool available;
    char display[DESKTOP_NAME_BYTES_MAX];
    char xauthority[DESKTOP_PATH_BYTES_MAX]; // "" when no cookie is needed
    unsigned width, height;
    bool is_virtual;
    // When not available: why a display that exists cannot be used, one line for a person; empty on
    // a machine without one.
    char reason[DESKTOP_REASON_BYTES_MAX];
};

// Finds out now; DESKTOP_RESOLVE_MS at most.
void desktop_look(struct desktop *desktop, struct desktop_state *state);
// What is known without looking.
void desktop_known(struct desktop *desktop, struct desktop_state *state);

// Whether a desktop process that has ended by force has left keys or buttons pressed, or the keymap
// changed. The next one puts that right, so there should be one: desktop_look starts it.
bool desktop_left_marks(struct desktop *desktop);

// Clears away a desktop process that has ended because nobody needed it. To be called now and then;
// does not wait.
void desktop_sweep(struct desktop *desktop);

struct desktop_picture {
    int fd; // a sealed memory file with the PNG, the caller's
    size_t bytes;
    unsigned width, height;               // of the PNG
    unsigned native_width, native_height; // of the screen
};

struct desktop_shot {
    size_t budget;  // bytes the PNG may have
    bool keep_size; // rather lose colours than pixels
    bool settle;    // wait a moment after recent input
};

// FAIL_UNSUPPORTED: no display, with the reason; FAIL_TOO_LARGE; FAIL_TIMEOUT; FAIL_SYSTEM.
bool desktop_screenshot(struct desktop *desktop, struct cancel *cancel,
                        const struct desktop_shot *shot, struct desktop_picture *out,
                        struct fail *why) __attribute__((warn_unused_result));

// One event of input, done when this returns true; events are made in the order of the calls. text:
// UTF-8, for DESKTOP_TEXT (text_bytes of it; input->text_bytes is filled in). The caller has made
// sure of consent.
bool desktop_input(struct desktop *desktop, struct cancel *cancel, struct desktop_input *input,
                   const char *text, size_t text_bytes, struct fail *why)
    __attribute__((warn_unused_result));

// Lets go of every key and button that desktop_input has pressed: the link that pressed them ended.
void desktop_release(struct desktop *desktop);

// Viewers. Both give a descriptor to poll; closing it ends the viewer. See frames.h.
struct desktop_view {
    unsigned frames_per_second; // at most
    uint64_t frame_bytes;       // a larger frame is made smaller
    uint64_t bytes_per_second;  // in the long run, 0: any
    bool may_input;             // the owner has consented
};
bool desktop_frames(struct desktop *desktop, const struct desktop_view *view, int *fd,
                    struct fail *why) __attribute__((warn_unused_result));
bool desktop_rfb(struct desktop *desktop, bool may_input, int *fd, struct fail *why)
    __attribute__((warn_unused_result));

// Whether the first bytes from a viewer are an RFB client's (RFC 6143, 7.1.1).
bool desktop_speaks_rfb(const void *first, size_t size);
