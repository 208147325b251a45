// Answers that are wrong on purpose: so that a test, or a person, sees what an agent makes of them.
// Only a hub that was started with --fault has any.
#pragma once

#include <stdbool.h>

struct fail;
struct faults;
struct http_request;
struct http_response;

// Adds what one option says: "device-poll=429:3,reset,slow_down:2,hang:*". The endpoint is
// exchange, device-start or device-poll; its requests are answered so in this order, each as often
// as its number says (once without one, * for ever), and then as usual. *faults is made when it is
// NULL; free it with faults_free.
bool faults_add(struct faults **faults, const char *text, struct fail *why)
    __attribute__((warn_unused_result));
void faults_free(struct faults *faults); // NULL is accepted

// True when the request has been answered, wrongly. From any thread; NULL has no faults.
bool faults_answer(struct faults *faults, const struct http_request *request,
                   struct http_response *response);
