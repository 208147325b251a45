#include "enroll/exchange.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/secret.h"
#include "config/document.h"

void enroll_machine_describe(const struct enroll_machine *machine, json_t *request)
{
    json_object_set_new(request, "publicKey", json_string(machine->public_key));
    json_object_set_new(request, "os", json_string("linux"));
    json_object_set_new(request, "arch", json_string(machine->arch));
    if (machine->name)
        json_object_set_new(request, "machineName", json_string(machine->name));
    json_object_set_new(request, "canOfferDisplay", json_boolean(machine->display));
    json_object_set_new(request, "requestsScreenControl", json_boolean(machine->wants_screen));
}

static char *make_request(const char *token, const struct enroll_machine *machine)
{
    json_t *request = json_object();
    json_object_set_new(request, "token", json_string(token));
    enroll_machine_describe(machine, request);
    char *text = document_write(request, ENROLL_REQUEST_BYTES_MAX);
    json_decref(request);
    return text;
}

static struct connection *accept_reply(const struct http_reply *reply,
                                       const struct credentials_origin *origin, struct fail *why)
{
    json_t *object = document_parse(reply->body.size ? reply->body.data : "", reply->body.size,
                                    ENROLL_REPLY_VALUES, why);
    struct connection *connection =
        object ? credentials_read(json_object_get(object, "credentials"), origin, why) : NULL;
    json_decref(object);
    return connection;
}

static void explain(const struct http_client *client, const struct http_reply *reply,
                    struct fail *why)
{
    if (http_reply_wants_key(client, reply, why))
        return;
    char *message = http_reply_message(reply);
    if (reply->status == 401)
        fail_because(why, FAIL_CONSENT, "the enrolment token was not accepted: %s", message);
    else if (reply->status == 404)
        fail_because(why, FAIL_UNSUPPORTED, "machines cannot be connected to %.100s: %s",
                     client->api_url, message);
    else
        fail_because(why, FAIL_SYSTEM, "the deployment answered %ld: %s", reply->status, message);
    mem_free(message);
}

// How long the server wants us to wait before the next try; -1: there is no point in one.
static int64_t wait_before(long status, unsigned tries)
{
    if (tries >= ENROLL_TRIES)
        return -1;
    if (status == 429)
        return ENROLL_BUSY_MS << (tries - 1); // 2, 4, 8 s
    return status == 503 && tries < ENROLL_TRIES_UNAVAILABLE ? ENROLL_UNAVAILABLE_MS : -1;
}

// A request without an answer may have been carried out.
static void add_doubt(struct fail *why)
{
    char *text = mem_printf("%s (the token may be used up all the same)", why->what);
    fail_because(why, why->kind, "%s", text);
    mem_free(text);
}

struct connection *exchange_token(const struct http_client *client, const char *token,
                                  const struct enroll_machine *machine,
                                  const struct credentials_origin *origin, struct fail *why)
{
    struct connection *connection = NULL;
    char *request = make_request(token, machine);
    if (!request) {
        fail_because(why, FAIL_INVALID, "this is no enrolment token");
        return NULL;
    }
    int64_t wait_ms = 0;
    for (unsigned tries = 1; wait_ms >= 0; tries++) {
        struct http_reply reply;
        bool lost;
        clock_sleep_ms(wait_ms);
        if (!http_post(client, "v1/enrollments/token/exchange", request, &reply, &lost, why)) {
            if (lost)
                add_doubt(why);
            break;
        }
        bool good = reply.status / 100 == 2;
        if (good)
            connection = accept_reply(&reply, origin, why);
        else
            explain(client, &reply, why);
        wait_ms = good ? -1 : wait_before(reply.status, tries);
        http_reply_fini(&reply);
    }
    secret_free(request);
    return connection;
}
