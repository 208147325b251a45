// Answers that are wrong on purpose, and a relay without patience: so that a test, or a person,
// sees what an agent makes of them. Only a hub that was started with --fault has any.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fail;
struct faults;
struct http_request;
struct http_response;

// Adds what one option says: "device-poll=429:3,reset,slow_down:2,hang:*". The endpoint is
// exchange, device-start or device-poll; its requests are answered so in this order, each as often
// as its number says (once without one, * for ever), and then as usual. "relay-pair=SECONDS" is no
// endpoint: see faults_pair_ms. *faults is made when it is NULL; free it with faults_free.
bool faults_add(struct faults **faults, const char *text, struct fail *why)
    __attribute__((warn_unused_result));
void faults_free(struct faults *faults); // NULL is accepted

// So long a relay channel with one end lives: usual_ms where no fault says less.
int64_t faults_pair_ms(const struct faults *faults, int64_t usual_ms);

// True when the request has been answered, wrongly. From any thread; NULL has no faults.
bool faults_answer(struct faults *faults, const struct http_request *request,
                   struct http_response *response);
