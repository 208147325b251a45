// What the daemon and the desktop process say to each other: fixed structs over SOCK_SEQPACKET
// pairs, one struct a message, at most one descriptor with it. Both are parts of one build on one
// machine, so fields are in host order; the version guards against an upgrade between two starts.
//
// The process serves two sockets, so that a picture never waits for typing: "view" (open,
// screenshot, frames, rfb, cancel) and "input" (input, release). Each answers its requests one
// after another, in order. Frames come on a socket of their own for every subscriber.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/limits.h"

enum {
    DESKTOP_PROTOCOL_VERSION = 2,

    // Descriptors the process is started with.
    DESKTOP_VIEW_FD = 3,
    DESKTOP_INPUT_FD = 4,
    DESKTOP_HELD_FD = 5, // memfd of DESKTOP_HELD_BYTES: what is pressed, kept across a restart

    DESKTOP_KEY_BITS_BYTES = 32, // one bit a key code
};

// What would stay in the X server if the process ended now. The memory of DESKTOP_HELD_FD begins
// with it; the rest is the process's own.
struct desktop_marks {
    uint8_t keys[DESKTOP_KEY_BITS_BYTES];
    uint32_t buttons; // bit n: button n
    uint32_t spares;  // keys that have another meaning for now
};
bool desktop_marks_any(const struct desktop_marks *marks);

enum desktop_ask {
    DESKTOP_OPEN = 1,   // view: connect to a display
    DESKTOP_SCREENSHOT, // view: the answer carries a PNG
    DESKTOP_FRAMES,     // view: the answer carries a socket of frames
    DESKTOP_RFB,        // view: the answer carries a stream socket that speaks RFB
    DESKTOP_CANCEL,     // view: give up the input request of that serial; not answered
    DESKTOP_INPUT,      // input
    DESKTOP_RELEASE,    // input: let go of every key and button
};

// How it went with one display.
enum desktop_opened {
    DESKTOP_OPENED = 1,
    DESKTOP_NO_SERVER,
    DESKTOP_REFUSED,  // the X server wants another cookie
    DESKTOP_SILENT,   // it accepts connections and does not answer
    DESKTOP_NO_XTEST, // it cannot be driven
    DESKTOP_XWAYLAND, // a window on it shows nothing but its own clients
    DESKTOP_FORMAT,   // pixels that cannot be read
    DESKTOP_REMOTE,   // a name that is not on this machine
};

enum desktop_open_flag {
    DESKTOP_OPEN_PRIMARY = 1, // the primary monitor instead of the whole screen
    DESKTOP_OPEN_OWN = 2,     // only a server of our own user or of root
};

enum desktop_input_kind {
    DESKTOP_POINTER = 1,
    DESKTOP_SCROLL,
    DESKTOP_KEY,  // names joined with '+'
    DESKTOP_TEXT, // UTF-8 in the memfd that comes with it
};

// The values of the wire's enums (proto/opengeni_agent.proto).
enum desktop_pointer_action {
    DESKTOP_POINTER_MOVE = 1,
    DESKTOP_POINTER_DOWN,
    DESKTOP_POINTER_UP,
    DESKTOP_POINTER_CLICK,
    DESKTOP_POINTER_DOUBLE_CLICK,
};
enum desktop_button { DESKTOP_LEFT = 1, DESKTOP_RIGHT, DESKTOP_MIDDLE };
enum desktop_key_action { DESKTOP_KEY_DOWN = 1, DESKTOP_KEY_UP, DESKTOP_KEY_PRESS };

struct desktop_input {
    uint32_t kind;   // enum desktop_input_kind
    uint32_t action; // of the pointer or key; 0 and unknown values have a meaning too
    uint32_t button;
    int32_t x, y;   // pointer and scroll: pixels of the region, any value
    int32_t dx, dy; // scroll: pixels, any value
    uint32_t text_bytes;
    char key[DESKTOP_KEY_BYTES_MAX + 4];
};

struct desktop_request {
    uint32_t version;
    uint32_t ask;
    uint64_t serial; // comes back in the answer
    union {
        struct {
            char display[DESKTOP_NAME_BYTES_MAX];    // ":0"
            char xauthority[DESKTOP_PATH_BYTES_MAX]; // a file with cookies; "": none
            uint32_t flags;                          // enum desktop_open_flag
        } open;
        struct {
            uint64_t budget;    // bytes the PNG may have
            uint32_t keep_size; // lose colour bits before pixels
            uint32_t settle;    // wait until the screen is quiet after recent input
        } screenshot;
        struct {
            uint32_t frames_per_second; // at most
            uint32_t may_input;
            uint64_t frame_bytes;      // a larger frame is scaled down
            uint64_t bytes_per_second; // in the long run
        } frames;
        struct {
            uint32_t may_input;
        } rfb;
        struct desktop_input input;
    };
};

struct desktop_answer {
    uint32_t version;
    uint32_t ask;
    uint64_t serial;
    uint32_t fail_kind; // enum fail_kind
    int32_t error;
    uint64_t size, size_max; // of FAIL_TOO_LARGE
    char what[FAIL_WHAT_BYTES];
    union {
        struct {
            uint32_t
                opened; // enum desktop_opened; anything else but OPENED explains itself in text
            uint32_t width, height;
            char text[DESKTOP_REASON_BYTES_MAX];
        } open;
        struct {
            uint64_t bytes;
            uint32_t width, height, native_width, native_height;
        } screenshot;
    };
};

// On a subscriber's socket, process to daemon, with the PNG as a memfd. The next one comes only
// after the note that this one was taken, and is then the newest.
struct desktop_frame {
    uint32_t version;
    uint32_t repeat; // the same picture as before, for those who missed it
    uint64_t bytes;
    uint32_t width, height, native_width, native_height;
};

// Daemon to process on the same socket.
enum desktop_note_kind {
    DESKTOP_TAKEN = 1,
    DESKTOP_FRESH, // send a frame as soon as possible, changed or not
    DESKTOP_NOTE_INPUT,
};
struct desktop_note {
    uint32_t version;
    uint32_t kind;
    struct desktop_input input;
};

// Whether a message of size bytes with or without a descriptor is one of these and every text in it
// ends. Nothing is read beyond size.
bool desktop_request_valid(const void *data, size_t size, bool with_fd);
bool desktop_answer_valid(const void *data, size_t size, bool with_fd);
bool desktop_frame_valid(const void *data, size_t size, bool with_fd);
bool desktop_note_valid(const void *data, size_t size, bool with_fd);

// A failure in and out of an answer; the second returns whether there was none.
void desktop_answer_fail(struct desktop_answer *answer, const struct fail *why);
bool desktop_answer_ok(const struct desktop_answer *answer, struct fail *why);
