// Which server to talk to, and how to prove that we may.
#pragma once

#include <stdbool.h>

struct fault;
struct hub_place;

struct server {
    char *url;
    char *token;   // NULL: none
    char *ca_file; // NULL: the system's certificates only
};

// Finds the server: what the options say, else OPENGENI_SERVER and OPENGENI_TOKEN_FILE, else the
// standard port of this machine. The token is the first line of its file, so that it is seen in no
// command line. Release with server_fini.
bool server_find(struct server *server, const char *url, const char *token_file,
                 struct fault *fault) __attribute__((warn_unused_result));
// The server of a hub: what the file of a local one says, or what a remote one answers.
bool server_of_hub(struct server *server, const struct hub_place *hub, struct fault *fault)
    __attribute__((warn_unused_result));
void server_fini(struct server *server);

// The first line of a file, to be freed with mem_free_secret.
bool server_read_token(const char *path, char **token, struct fault *fault)
    __attribute__((warn_unused_result));
