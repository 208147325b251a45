// A relay for tests: it takes the agent's channels, writes down what comes, and says what the test
// wants it to say. The test itself is the viewer.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "fake_ws_server.h"
#include "relay/datagram.h"

enum { RELAY_CONNECTIONS_MAX = 4096, RELAY_FRAMES_MAX = 200000 };

struct relay_frame {
    uint64_t seq;
    int64_t time;
    size_t from, size; // in text
};

// One channel id, over all its connections.
struct relay_channel {
    char id[80];
    char request[1024]; // of the latest connection
    int fd;             // -1: not connected
    unsigned opens;
    uint64_t resume;     // of the latest open
    char token[128];     // of the latest open
    unsigned kind, port; // of the latest open
    int64_t opened_ms;   // of the latest open
    struct buffer text;  // data of all frames that were not seen before, in order
    struct relay_frame *frames;
    size_t frame_count;    // all frames, again and again
    uint64_t next_seq;     // one more than the highest
    size_t duplicates;     // frames with a lower one
    unsigned close_reason; // 0: none has come
    char close_message[64];
    unsigned pings;
    char pong[64];               // what the latest one carried
    struct relay_channel *older; // of the looks
};

struct fake_relay {
    struct fake_server listener;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct relay_channel *channels[256];
    size_t count;
    struct relay_channel *looks; // what relay_look gave
    unsigned dials;

    // what it shall do; changed under the lock: by the functions below once there are connections
    bool withhold_answer, first_is_frame, one_per_port, deaf;
    unsigned refuse_next;
    char refusal[128];
    bool stopping;
    uint16_t port;
};

void relay_start(struct fake_relay *relay);
void relay_stop(struct fake_relay *relay); // all connections end

// Restarts on the same port with an empty memory; what was recorded stays.
void relay_stop_listening(struct fake_relay *relay);
void relay_listen_again(struct fake_relay *relay);

// Changes one of the switches above; refuses that many openings with the text.
void relay_set(struct fake_relay *relay, bool *what, bool value);
void relay_refuse(struct fake_relay *relay, unsigned times, const char *text);
unsigned relay_dials(struct fake_relay *relay);

// The channel as it is now, with a copy of its text (NUL at its end); it stays until relay_stop.
// Waits for the channel's first opening.
const struct relay_channel *relay_look(struct fake_relay *relay, const char *id);
void relay_forget(struct fake_relay *relay, const char *id); // once it is not connected any more

// Waits, 60 s at most. False when it does not come.
bool relay_wait_text(struct fake_relay *relay, const char *id, const char *text);
bool relay_wait_frames(struct fake_relay *relay, const char *id, size_t count);
bool relay_wait_text_size(struct fake_relay *relay, const char *id, size_t size);
bool relay_wait_opens(struct fake_relay *relay, const char *id, unsigned opens);
bool relay_wait_pong(struct fake_relay *relay, const char *id, const char *payload);
bool relay_wait_close(struct fake_relay *relay, const char *id);
bool relay_wait_gone(struct fake_relay *relay, const char *id); // not connected

bool relay_is_connected(struct fake_relay *relay, const char *id);
size_t relay_text_size(struct fake_relay *relay, const char *id);

// To the agent. False when the channel is not connected.
bool relay_frame(struct fake_relay *relay, const char *id, uint64_t seq, int64_t time,
                 const char *data, size_t size);
bool relay_type(struct fake_relay *relay, const char *id, const char *text); // counts by itself
bool relay_say_close(struct fake_relay *relay, const char *id, unsigned reason);
bool relay_raw(struct fake_relay *relay, const char *id, unsigned first, const void *data,
               size_t size);
void relay_cut(struct fake_relay *relay, const char *id); // TCP, without a word
