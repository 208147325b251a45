// A connection: what the agent needs to serve one workspace of one deployment. Kept as one JSON
// document, connections/<id>.json.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

enum { CONNECTION_ID_BYTES = 21 }; // 20 hexadecimal digits and the NUL

// Texts are never NULL unless it says so.
struct connection {
    char id[CONNECTION_ID_BYTES];
    char *api_url;      // normalised
    bool legacy_origin; // taken over from credentials.json: api_url is only a guess
    char *machine_name; // the name its owner gave it; NULL for the host's
    char *ca_file;      // absolute: trusted for this connection beside the system's; may be NULL

    // Opaque ids, safe as a token of a NATS subject, never empty.
    char *workspace_id, *agent_id;

    char *nats_bearer; // secret; empty: there is no credential
    char **nats_urls;  // as they stand in the document
    size_t nats_url_count;
    char *relay_url;   // empty: no relay
    char *relay_token; // secret; may be empty
    char *update_pubkey;
    char *update_channel;
    char *resume_token; // secret; may be empty
    bool consented_whole_machine, consented_screen_control;
    uint32_t last_known_epoch;
};

// The id is a hash of where the connection came from; two documents of one origin cannot exist.
void connection_id(const char *api_url, const char *workspace_id, char id[CONNECTION_ID_BYTES]);
void connection_legacy_id(const char *workspace_id, const char *agent_id,
                          char id[CONNECTION_ID_BYTES]);

// Fills connection->id by its origin.
void connection_identify(struct connection *connection);

// Reads a document whose file is called <name>.json; NULL with *why when anything is wrong with
// it. No text of the content gets into *why.
struct connection *connection_parse(const char *text, size_t size, const char *name,
                                    struct fail *why) __attribute__((warn_unused_result));

// Reads credentials.json: the credentials alone. api_url is the guess for its origin, normalised.
struct connection *connection_parse_legacy(const char *text, size_t size, const char *api_url,
                                           struct fail *why) __attribute__((warn_unused_result));

// The document; freed with secret_free. Fails when it would break the limits of reading.
char *connection_write(const struct connection *connection, struct fail *why)
    __attribute__((warn_unused_result));

struct connection *connection_copy(const struct connection *connection)
    __attribute__((malloc, warn_unused_result));

// Overwrites the secrets. NULL is accepted.
void connection_free(struct connection *connection);

// What it takes to go from one state of a document to the next.
enum connection_change {
    CONNECTION_SAME,
    CONNECTION_METADATA,  // api_url, consent, names, epoch: nothing that is in use on the wire
    CONNECTION_TRANSPORT, // bearer, NATS or relay addresses or tokens: dial anew, then switch
    CONNECTION_IDENTITY,  // workspace or agent: another link altogether
};
enum connection_change connection_compare(const struct connection *before,
                                          const struct connection *now);

// Whether all that the control plane handed out is the same; where it came from is not looked at.
bool connection_same_credentials(const struct connection *a, const struct connection *b);
