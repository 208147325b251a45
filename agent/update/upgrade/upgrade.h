// An update that a control plane asks for. One at a time in the process, on whatever link it came
// in. While it goes on no new work begins; when what runs has ended, the program "opengeni-agent"
// of this installation fetches, verifies and installs the release, and the daemon becomes the new
// one.
#pragma once

#include <stdbool.h>

#include "config/secure_dir.h"
#include "proto/opengeni_agent.pb-c.h"

struct upgrade_setup {
    const char *updater; // path of opengeni-agent; NULL: somebody else updates this installation
    const char *version, *sha256; // of the running program
    const char *config_dir;
    const char *ca_file;             // NULL: none
    bool (*idle)(void *argument);    // nothing runs and nothing waits to run
    void (*changed)(void *argument); // upgrade_state tells something else; from any thread
    void *argument;
    bool trial; // this version is a new one, which has to show that it works
};

// The link that asked. It is held until the update has ended.
struct upgrade_link {
    void *link;
    void (*tell)(void *link, const Og__AgentUpdateProgress *progress);
    void (*hold)(void *link);
    void (*drop)(void *link);
};

struct upgrade;

struct upgrade *upgrade_new(const struct upgrade_setup *setup);

// An update goes on: other requests are to be refused.
bool upgrade_busy(const struct upgrade *upgrade);

struct upgrade_refusal {
    Og__ErrorCode code;
    bool retryable;
    const char *failure_code; // for the control plane
    const char *message;      // for people
};

// True: accepted, and what out points to lives in the request, or for ever. False with the reason.
// Called by one thread, which must not wait.
bool upgrade_ask(struct upgrade *upgrade, const Og__AgentUpdateApplyRequest *request,
                 const struct upgrade_link *link, Og__AgentUpdateApplyResponse *out,
                 struct upgrade_refusal *refusal) __attribute__((warn_unused_result));

enum { UPGRADE_WORD_BYTES = 80 };

// For the owner. Texts are empty where there is nothing to tell.
struct upgrade_state {
    // off (somebody else updates this installation), idle, trial (of this version), failed, or the
    // stage: accepted, waiting_for_idle, downloading, verifying, applying, restarting
    char state[UPGRADE_WORD_BYTES];
    char version[UPGRADE_WORD_BYTES]; // that is being installed, or could not be
    char error[UPGRADE_WORD_BYTES];   // why the latest one failed: the control plane's code
};

void upgrade_state(struct upgrade *upgrade, struct upgrade_state *out); // from any thread

// The version that was tried out stays.
void upgrade_trial_passed(struct upgrade *upgrade);

// Readable once the new version is in place and this process has to become it.
int upgrade_fd(const struct upgrade *upgrade);

// Then: the program to become, and the file that it removes when it is up (update/trial.h).
const char *upgrade_program(const struct upgrade *upgrade);
const char *upgrade_trial(const struct upgrade *upgrade);

// Ends what goes on; for the end of the process.
void upgrade_stop(struct upgrade *upgrade);
