// What the parts of a session share.
#pragma once

#include "base/limits.h"
#include "ctl/ctl.h"
#include "ctl/escape.h"
#include "ctl/modes.h"
#include "ctl/session.h"
#include "ctl/viewer.h"

enum session_end {
    SESSION_GOES_ON,
    SESSION_PROGRAM_ENDED,
    SESSION_CLOSED,   // by the person
    SESSION_DETACHED, // by the person
    SESSION_SIGNAL,
    SESSION_OUTPUT_GONE, // nobody reads what we print
    SESSION_TAKEN,       // by another viewer
    SESSION_NO_TERMINAL,
    SESSION_ENDED_UNSEEN,  // the program, while there was no relay
    SESSION_MACHINE_ENDED, // the agent stops, or another viewer has ended the channel
    SESSION_GAVE_UP,
    SESSION_FAILED, // told
};

struct session {
    struct ctl *ctl;
    const struct session_options *options;
    struct viewer *viewer;
    struct grant grant;
    struct escape escape;
    struct modes modes; // of our own terminal
    enum session_end end;
    bool tty_in, tty_out, raw;
    bool input_over;   // nothing more to type will come
    bool line_open;    // what was typed last does not end a line
    char output[4096]; // taken from the viewer, not printed yet
    size_t output_start, output_size;

    // the relay
    bool was_live;
    unsigned attempts;          // since it was live
    unsigned rival_losses;      // in a row
    int64_t live_ms, redial_ms; // redial_ms 0: no attempt is due
    int64_t lost_ms;            // 0: it is live
    struct fail why;            // it is not; empty before the first attempt has failed
    unsigned close_reason;      // enum stream_close
    int64_t closing_ms;         // the channel has ended, the rest is printed; 0: not yet
    bool noticed;               // the person has been told of the loss

    // the machine
    struct sizing sizing;
    bool size_due;
    bool was_there;      // the machine has, or had, the terminal
    bool unanswered;     // the last question: it is put again, however much comes from the relay
    bool redraw;         // a size that is not the window's goes first: the program draws anew
    unsigned cols, rows; // as last seen
    int64_t probe_ms;    // when to ask for the terminal next
    int64_t offline_ms;  // since when nobody listens there; 0: somebody does
    bool offline_noticed;
};

// One line for the person, not for the terminal's own output.
void session_say(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// session_link.c: the relay and the machine.
bool session_online(struct session *session);          // requests can be sent (again)
bool session_first_dial(struct session *session);      // false: told
void session_look(struct session *session);            // the viewer has news
void session_tick(struct session *session);            // what is due
int64_t session_due_ms(const struct session *session); // when session_tick is next, mono
