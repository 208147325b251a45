// agent.ini: what the machine's owner decides and no control plane can change.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/secure_dir.h"

#define VIRTUAL_DESKTOP_USUAL "1280x800"

struct settings {
    // background_jobs = keep | kill: what becomes of processes that a command leaves behind when
    // it ends by itself. Keep, unless it says kill.
    bool kill_background_jobs;

    // terminal_rate = N | unlimited: bytes of output a second that one terminal sends, at least
    // 65536. PUMP_RATE_BYTES, unless it says otherwise: relays drop what is beyond their limit; one
    // that has none, or a higher one, may be used to the full.
    int64_t terminal_rate; // 0: unlimited

    // display = :N: this X display and no other; none: no control plane sees a desktop here. NULL:
    // the desktop is looked for.
    char *display;

    // virtual_desktop = yes | no | WIDTHxHEIGHT: make a screen for a machine that has none. NULL:
    // no.
    char *virtual_desktop;

    // screen = primary: of several monitors the primary one is shown and clicked on; all: the whole
    // of them, as if they were one.
    bool primary_only;

    // scale_pointer = yes | no: whether clicks from control planes of the older kind are meant in
    // pixels of the screenshot they were sent, which may have been scaled down. Yes, unless it says
    // no.
    bool keep_pointer;

    // desktop_idle = S: seconds after which the desktop process ends when nobody has needed it.
    // DESKTOP_IDLE_MS, unless it says otherwise.
    int64_t desktop_idle_ms;

    char **warnings; // lines that were not understood, as text for the owner
    size_t warning_count;
};

// A missing file gives the defaults. A known key with a bad value, or a file that cannot be read or
// that others may write to, is a failure: settings protect the owner, so guessing is not safe.
bool settings_load(const struct secure_dir *config, struct settings *settings, struct fail *why)
    __attribute__((warn_unused_result));
void settings_fini(struct settings *settings);
