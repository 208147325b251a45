// For tests of the client as a program: a nats-server, a stand-in for an agent, and runs of
// opengeni-ctl against them. The stand-in knows the wire and the files below its root; it answers
// what it is told, also what a real agent never would.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RIG_WORKSPACE "w-1"
#define RIG_AGENT     "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
#define RIG_PATH      RIG_WORKSPACE "/" RIG_AGENT
#define RIG_TOKEN     "hunter2"
#define RIG_INSTANCE  "cccccccc-cccc-4ccc-8ccc-cccccccccccc"

struct rig {
    char root[64];   // directory of the stand-in's files, and of ours
    char server[64]; // URL
    int port;
    // How the stand-in behaves. It runs on a thread of its own:
    _Atomic int busy;                // so many requests are refused as DRAINING
    _Atomic bool silent;             // it answers nothing
    _Atomic bool mute_after_exec;    // it answers nothing once an exec has come in
    _Atomic bool restart_after_exec; // it forgets the exec, and is a new process
    _Atomic int short_reads_from;    // reads from this offset on bring one byte less; 0: never
    _Atomic int fail_writes_after;   // so many writes work, then the disk is full; 0: all do
    _Atomic size_t reads_fit;        // a read of more bytes is PAYLOAD_TOO_LARGE; 0: all fit
    const char *_Atomic raw_reply;   // sent instead of any answer; raw_size bytes
    _Atomic size_t raw_size;
    // What has come in:
    _Atomic int requests, writes, execs;
};

extern struct rig rig;

enum rig_option {
    RIG_FENCED_ONLY = 1, // the stand-in listens on its fenced address only
    RIG_WITH_TOKEN = 2,  // the server wants RIG_TOKEN
    RIG_WITH_TLS = 4,    // the server wants TLS; its certificate, for localhost, is trusted
};
void rig_start(unsigned options);
void rig_stop(void);
void rig_announce(void); // a hello and a heartbeat, now
void rig_restart_server(void);

// All texts below last until rig_stop.

struct run {
    int status;      // of waitpid: exit status, or 256 + the signal
    char *out, *err; // NUL-terminated
    size_t out_size, err_size;
};

// Runs opengeni-ctl with the given words, closed by NULL; input: a file for stdin, NULL: /dev/null.
struct run rig_run(const char *input, ...) __attribute__((sentinel));

// The same in the background: what has been started has to be awaited.
int rig_begin(const char *input, ...) __attribute__((sentinel));
struct run rig_await(int pid);

char *rig_file(const char *name); // root/name
void rig_write_file(const char *name, const void *data, size_t size);
