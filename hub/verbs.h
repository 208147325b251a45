// The commands of opengeni-hub.
#pragma once

// Exit codes: 0 done, 1 failed, 2 used in a wrong way. argv[0] is the command's name.
int cmd_serve(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_machines(int argc, char **argv);
int cmd_revoke(int argc, char **argv);
int cmd_rename(int argc, char **argv);
int cmd_requests(int argc, char **argv);
int cmd_approve(int argc, char **argv);
int cmd_deny(int argc, char **argv);
int cmd_workspace(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_nats_config(int argc, char **argv);

#include <stdbool.h>

struct data_dir;
struct fail;
struct option;
struct roster;
struct store;

// "opengeni-hub: text" on stderr; returns 1.
int verb_failed(const struct fail *why);
int verb_misused(const char *usage); // returns 2

// Takes the options of a command that has but --data and --help, and count words behind them. -1:
// go on, *path is the value of --data or NULL, and optind that of the first word; else the exit
// code.
int verb_words(int argc, char **argv, const char *usage, int count, const char **path);

// Opens the directory that --data names, or the default one; it has to exist.
bool verb_open_dir(struct data_dir *dir, const char *path, struct fail *why)
    __attribute__((warn_unused_result));

// For when no hub runs: the store, and the machines in a roster (to be freed by the caller).
bool verb_open_store(const struct data_dir *dir, struct store *store, struct roster **roster,
                     struct fail *why) __attribute__((warn_unused_result));
