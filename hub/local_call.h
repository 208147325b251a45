// Asking the hub that runs on this machine, through its own socket.
#pragma once

#include <stdbool.h>

#include <jansson.h>

struct data_dir;
struct fail;

enum local_result {
    LOCAL_DONE,
    LOCAL_NO_HUB,  // none serves from this directory
    LOCAL_REFUSED, // its answer was an error, which why holds
    LOCAL_FAILED,
};

// body may be NULL: then it is a GET. *answer is to be freed with json_decref.
enum local_result local_call(const struct data_dir *dir, const char *path, json_t *body,
                             json_t **answer, struct fail *why);
