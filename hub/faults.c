#include "hub/faults.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/http.h"

enum { FOR_EVER = -1 };

struct step {
    char name[16];
    long left; // how many answers more; FOR_EVER
};

static const struct endpoint {
    const char *name, *path;
} endpoints[] = {
    {"exchange", "/v1/enrollments/token/exchange"},
    {"device-start", "/v1/enrollments/device/start"},
    {"device-poll", "/v1/enrollments/device/poll"},
};
enum { ENDPOINTS = sizeof endpoints / sizeof *endpoints };

static const char relay_pair[] = "relay-pair=";

struct faults {
    int64_t pair_ms; // 0: as usual
    pthread_mutex_t lock;
    struct plan {
        struct step steps[HUB_FAULT_STEPS_MAX];
        size_t count, at;
    } plans[ENDPOINTS];
};

static bool is_status(const char *name)
{
    return strlen(name) == 3 && strspn(name, "0123456789") == 3 && *name >= '4' && *name <= '5';
}

static bool is_known(const char *name)
{
    static const char *const names[] = {"reset",   "hang",   "garbage", "empty",   "slow_down",
                                        "pending", "denied", "expired", "disabled"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return is_status(name);
}

static bool parse_step(const char *text, size_t size, struct step *step)
{
    char word[32], *end = word;
    if (size >= sizeof word)
        return false;
    snprintf(word, sizeof word, "%.*s", (int)size, text);
    char *count = strchr(word, ':');
    if (count)
        *count++ = '\0';
    step->left = !count ? 1 : strcmp(count, "*") == 0 ? FOR_EVER : strtol(count, &end, 10);
    bool counted = !count || step->left == FOR_EVER || (step->left > 0 && *count && !*end);
    if (!counted || strlen(word) >= sizeof step->name || !is_known(word))
        return false;
    memcpy(step->name, word, strlen(word) + 1);
    return true;
}

static bool parse_pair(const char *text, int64_t *ms, struct fail *why)
{
    const char *digits = text + strlen(relay_pair);
    char *end;
    long seconds = strtol(digits, &end, 10);
    if (strspn(digits, "0123456789") == 0 || *end || seconds < 1 || seconds > RELAY_PAIR_MS / 1000)
        return fail_because(why, FAIL_INVALID, "--fault %s: 1 to %d seconds", text,
                            RELAY_PAIR_MS / 1000);
    *ms = 1000 * seconds;
    return true;
}

static struct plan *plan_of(struct faults *faults, const char *text, size_t size)
{
    for (size_t i = 0; i < ENDPOINTS; i++)
        if (strlen(endpoints[i].name) == size && strncmp(endpoints[i].name, text, size) == 0)
            return &faults->plans[i];
    return NULL;
}

bool faults_add(struct faults **faults, const char *text, struct fail *why)
{
    if (!*faults) {
        *faults = mem_new(struct faults);
        pthread_mutex_init(&(*faults)->lock, NULL);
    }
    if (strncmp(text, relay_pair, strlen(relay_pair)) == 0)
        return parse_pair(text, &(*faults)->pair_ms, why);
    size_t head = strcspn(text, "=");
    struct plan *plan = plan_of(*faults, text, head);
    if (!plan || text[head] != '=')
        return fail_because(
            why, FAIL_INVALID,
            "--fault %s: begin with exchange=, device-start=, device-poll= or relay-pair=", text);
    for (const char *at = text + head + 1;; at++) {
        size_t size = strcspn(at, ",");
        if (plan->count == HUB_FAULT_STEPS_MAX ||
            !parse_step(at, size, &plan->steps[plan->count++]))
            return fail_because(why, FAIL_INVALID, "--fault %s: what is \"%.*s\"?", text, (int)size,
                                at);
        at += size;
        if (!*at)
            return true;
    }
}

void faults_free(struct faults *faults)
{
    if (faults)
        pthread_mutex_destroy(&faults->lock);
    mem_free(faults);
}

int64_t faults_pair_ms(const struct faults *faults, int64_t usual_ms)
{
    return faults && faults->pair_ms ? faults->pair_ms : usual_ms;
}

// The next step of a plan, or false at its end.
static bool take(struct faults *faults, struct plan *plan, char name[16])
{
    pthread_mutex_lock(&faults->lock);
    bool any = plan->at < plan->count;
    if (any) {
        struct step *step = &plan->steps[plan->at];
        memcpy(name, step->name, sizeof step->name);
        if (step->left != FOR_EVER && --step->left == 0)
            plan->at++;
    }
    pthread_mutex_unlock(&faults->lock);
    return any;
}

static void answer(const char *name, struct http_response *response)
{
    if (is_status(name))
        answer_error(response, (int)strtol(name, NULL, 10), "fault", true,
                     "this answer is a fault made on purpose");
    else if (strcmp(name, "reset") == 0)
        response->ending = ENDING_RESET;
    else if (strcmp(name, "hang") == 0)
        response->ending = ENDING_HANG;
    else if (strcmp(name, "garbage") == 0)
        answer_text(response, 200, "application/json", "{\"state\": \"author");
    else if (strcmp(name, "empty") == 0)
        answer_text(response, 200, "application/json", "");
    else
        answer_json(response, 200, json_pack("{s:s}", "state", name));
}

bool faults_answer(struct faults *faults, const struct http_request *request,
                   struct http_response *response)
{
    char name[16];
    for (size_t i = 0; faults && i < ENDPOINTS; i++) {
        if (request->method != HTTP_POST || strcmp(endpoints[i].path, request->path) != 0 ||
            !take(faults, &faults->plans[i], name))
            continue;
        log_warn("a fault instead of an answer", "path", request->path, "fault", name, NULL);
        answer(name, response);
        return true;
    }
    return false;
}
