#include "hub/relay/relay.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "base/log.h"
#include "check_main.h"
#include "hub/digest.h"
#include "hub/signed_token.h"
#include "proto/encode.h"
#include "proto/opengeni_agent.pb-c.h"

// A socket that takes what it is given when the test says so.
struct end {
    struct peer *peer;
    bool woken, paused, closed;
    char text[4096]; // data of the frames received, in order
    unsigned frames, acks, closes, inputs;
    bool accepted;
    char error[200];
    uint64_t last_seq;
    unsigned signs; // of life
};

static struct relay *relay;
static const unsigned char producer[DIGEST_BYTES] = "producer", viewer[DIGEST_BYTES] = "viewer";
static int64_t now_ms;
static bool machine_known;

static void wake(void *socket)
{
    ((struct end *)socket)->woken = true;
}

static void pause_end(void *socket, bool paused)
{
    ((struct end *)socket)->paused = paused;
}

static void sign_of_life(void *socket)
{
    ((struct end *)socket)->signs++;
}

static bool is_known(void *context, const char *agent, int64_t generation)
{
    (void)context, (void)agent;
    return machine_known && generation == 1;
}

static void begin_with(struct relay_limits limits)
{
    log_set_level(LOG_OFF);
    now_ms = 1000000;
    machine_known = true;
    const struct relay_setup setup = {.limits = limits,
                                      .producer_key = producer,
                                      .viewer_key = viewer,
                                      .is_known = is_known,
                                      .wake = wake,
                                      .pause = pause_end,
                                      .sign_of_life = sign_of_life};
    relay = relay_new(&setup);
}

static void begin(void)
{
    begin_with(relay_default_limits);
}

static void note(struct end *end, const struct frame *frame)
{
    const ProtobufCMessageDescriptor *const types[] = {
        [FRAME_ACK] = &og__stream_open_ack__descriptor,
        [FRAME_DATA] = &og__stream_frame__descriptor,
        [FRAME_CLOSE] = &og__stream_close__descriptor,
        [FRAME_INPUT] = &og__desktop_input__descriptor};
    ProtobufCMessage *message =
        protobuf_c_message_unpack(types[frame->bytes[0]], NULL, frame->size - 1, frame->bytes + 1);
    ck_assert_ptr_nonnull(message);
    if (frame->bytes[0] == FRAME_ACK) {
        Og__StreamOpenAck *ack = (Og__StreamOpenAck *)message;
        ck_assert_uint_eq(end->frames, 0); // the answer comes first
        end->acks++;
        end->accepted = ack->accepted;
        snprintf(end->error, sizeof end->error, "%s", ack->error ? ack->error->message : "");
        if (ack->error)
            ck_assert_int_eq(ack->error->code, OG__ERROR_CODE__ERROR_CODE_STREAM);
    } else if (frame->bytes[0] == FRAME_DATA) {
        Og__StreamFrame *data = (Og__StreamFrame *)message;
        end->frames++;
        end->last_seq = data->seq;
        if (data->data.len < 100)
            strncat(end->text, (char *)data->data.data, data->data.len);
    } else if (frame->bytes[0] == FRAME_CLOSE) {
        end->closes++;
    } else {
        end->inputs++;
    }
    protobuf_c_message_free_unpacked(message, NULL);
}

static void leave(struct end *end)
{
    relay_gone(end->peer, now_ms);
    end->peer = NULL;
    end->closed = true;
}

// Takes what waits, count frames at most.
static void take(struct end *end, unsigned count)
{
    struct frame *frame;
    while (count-- > 0 && end->peer && (frame = relay_next(end->peer))) {
        note(end, frame);
        relay_sent(end->peer, now_ms);
    }
    if (end->peer && relay_is_over(end->peer))
        leave(end);
}

static void give(struct end *end, const void *data, size_t size)
{
    struct frame *frame = frame_new(size);
    frame = frame_append(frame, data, size);
    if (!relay_received(end->peer, frame, now_ms))
        leave(end);
}

static void give_message(struct end *end, enum frame_tag tag, const ProtobufCMessage *message)
{
    size_t size = encode_size(message);
    unsigned char *bytes = mem_array(1, size + 1);
    bytes[0] = (unsigned char)tag;
    encode_message(message, bytes + 1, size);
    give(end, bytes, size + 1);
    mem_free(bytes);
}

struct open_as {
    Og__StreamRole role;
    const char *token; // NULL: a good one
    uint64_t resume;
    int64_t lease, authority; // of a viewer; authority 0: none
    const char *channel;      // NULL: the one of the query
};

static char *agent_token(const char *workspace, const char *agent, int64_t expires)
{
    return signed_token_mint(TOKEN_PRODUCER, producer,
                             json_pack("{s:s, s:s, s:I}", "workspaceId", workspace, "agentId",
                                       agent, "exp", (json_int_t)expires));
}

static char *viewer_token(const char *workspace, int port, int64_t lease, int64_t authority)
{
    json_t *claims =
        json_pack("{s:s, s:s, s:I, s:i, s:I}", "workspaceId", workspace, "sessionId", "s",
                  "leaseEpoch", (json_int_t)lease, "port", port, "exp", (json_int_t)4102444800);
    if (authority)
        json_object_set_new(claims, "authorityEpoch", json_integer(authority));
    return signed_token_mint(TOKEN_VIEWER, viewer, claims);
}

static void dial(struct end *end, const char *channel)
{
    *end = (struct end){0};
    const struct relay_query query = {"w", "a", channel, 7681};
    end->peer = relay_accept(relay, end, &query, now_ms);
}

static void send_open(struct end *end, const char *channel, struct open_as as)
{
    char *token = as.token ? mem_string(as.token)
                  : as.role == OG__STREAM_ROLE__STREAM_ROLE_AGENT
                      ? agent_token("w", "a", 4102444800)
                      : viewer_token("w", 7681, as.lease, as.authority);
    Og__StreamChannel key = OG__STREAM_CHANNEL__INIT;
    key.workspace_id = "w";
    key.agent_id = "a";
    key.channel_id = (char *)(as.channel ? as.channel : channel);
    key.port = 7681;
    Og__StreamOpen open = OG__STREAM_OPEN__INIT;
    open.channel = &key;
    open.token = token;
    open.role = as.role;
    open.resume_from_seq = as.resume;
    give_message(end, FRAME_OPEN, &open.base);
    mem_free(token);
}

static void join(struct end *end, const char *channel, struct open_as as)
{
    dial(end, channel);
    send_open(end, channel, as);
    take(end, 1);
}

#define AGENT                                      \
    (struct open_as)                               \
    {                                              \
        .role = OG__STREAM_ROLE__STREAM_ROLE_AGENT \
    }
#define VIEWER                                                  \
    (struct open_as)                                            \
    {                                                           \
        .role = OG__STREAM_ROLE__STREAM_ROLE_CLIENT, .lease = 5 \
    }

static void say(struct end *end, uint64_t seq, const char *text)
{
    Og__StreamFrame frame = OG__STREAM_FRAME__INIT;
    frame.channel_id = "c";
    frame.seq = seq;
    frame.data.data = (uint8_t *)text;
    frame.data.len = strlen(text);
    give_message(end, FRAME_DATA, &frame.base);
}

static void finish(struct end *ends, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ends[i].peer)
            leave(&ends[i]);
    ck_assert_uint_eq(atomic_load(&relay_counters(relay)->channels), 0);
    relay_free(relay);
}

START_TEST(what_one_end_sends_the_other_receives)
{
    struct end ends[2];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    ck_assert(ends[0].accepted && ends[1].accepted);
    say(&ends[0], 0, "out");
    say(&ends[1], 0, "in");
    take(&ends[0], 9);
    take(&ends[1], 9);
    ck_assert_str_eq(ends[1].text, "out");
    ck_assert_str_eq(ends[0].text, "in");
    finish(ends, 2);
}
END_TEST

START_TEST(an_end_that_comes_later_gets_what_it_missed_from_where_it_says)
{
    struct end ends[4];
    begin();
    join(&ends[0], "c", AGENT);
    for (uint64_t i = 0; i < 10; i++)
        say(&ends[0], i, (char[]){(char)('0' + i), 0});
    join(&ends[1], "c", VIEWER);
    take(&ends[1], 99);
    ck_assert_str_eq(ends[1].text, "0123456789");
    leave(&ends[1]);
    struct open_as from_seven = VIEWER;
    from_seven.resume = 7;
    join(&ends[2], "c", from_seven);
    take(&ends[2], 99);
    ck_assert_str_eq(ends[2].text, "789");
    say(&ends[2], 0, "x"); // while the agent is away
    leave(&ends[0]);
    say(&ends[2], 1, "y");
    join(&ends[3], "c", AGENT);
    take(&ends[3], 99);
    ck_assert_str_eq(ends[3].text, "xy");
    finish(ends, 4);
}
END_TEST

START_TEST(numbers_at_the_end_of_their_range_are_numbers)
{
    struct end ends[4];
    begin();
    join(&ends[0], "c", AGENT);
    say(&ends[0], 3, "a");
    say(&ends[0], UINT64_MAX - 1, "b");
    say(&ends[0], UINT64_MAX, "c");
    say(&ends[0], 4, "d"); // going back is the agent's business
    static const struct {
        uint64_t resume;
        const char *text;
    } cases[] = {{0, "abcd"}, {5, "bc"}, {UINT64_MAX, "c"}};
    for (size_t i = 0; i < 3; i++) {
        struct open_as as = VIEWER;
        as.resume = cases[i].resume;
        join(&ends[1 + i], "c", as);
        take(&ends[1 + i], 99);
        ck_assert_str_eq(ends[1 + i].text, cases[i].text);
        leave(&ends[1 + i]);
    }
    finish(ends, 1);
}
END_TEST

START_TEST(the_ring_keeps_the_newest_by_number_and_by_bytes)
{
    struct relay_limits limits = relay_default_limits;
    struct end ends[2];
    limits.ring_frames = 3;
    begin_with(limits);
    join(&ends[0], "c", AGENT);
    for (uint64_t i = 0; i < 10; i++)
        say(&ends[0], i, (char[]){(char)('0' + i), 0});
    join(&ends[1], "c", VIEWER);
    take(&ends[1], 99);
    ck_assert_str_eq(ends[1].text, "789");
    finish(ends, 2);

    limits = relay_default_limits;
    limits.ring_bytes = 1000;
    begin_with(limits);
    static char big[400];
    memset(big, 'x', sizeof big - 1);
    join(&ends[0], "c", AGENT);
    for (uint64_t i = 0; i < 10; i++)
        say(&ends[0], i, big);
    join(&ends[1], "c", VIEWER);
    take(&ends[1], 99);
    ck_assert_uint_eq(ends[1].frames, 2);
    ck_assert_uint_eq(ends[1].last_seq, 9);
    finish(ends, 2);
}
END_TEST

START_TEST(a_new_end_takes_the_place_of_the_old_one)
{
    struct end ends[3];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    say(&ends[0], 0, "a"); // promised to the old one, which still gets it
    join(&ends[2], "c", VIEWER);
    ck_assert(ends[1].woken);
    take(&ends[1], 99);
    ck_assert_str_eq(ends[1].text, "a");
    ck_assert(ends[1].closed);
    ck_assert_uint_eq(ends[1].closes, 0);
    say(&ends[0], 1, "b");
    take(&ends[2], 99);
    ck_assert_str_eq(ends[2].text, "ab"); // its own replay, then what is new
    ck_assert_uint_eq(atomic_load(&relay_counters(relay)->reconnects), 1);
    finish(ends, 3);
}
END_TEST

START_TEST(what_a_replaced_end_still_sends_does_not_count)
{
    struct end ends[3];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    say(&ends[0], 0, "a");
    join(&ends[2], "c", VIEWER);
    say(&ends[1], 9, "late");
    Og__StreamClose close = OG__STREAM_CLOSE__INIT;
    close.channel_id = "c";
    give_message(&ends[1], FRAME_CLOSE, &close.base);
    take(&ends[0], 99);
    ck_assert_str_eq(ends[0].text, "");
    ck_assert_uint_eq(ends[0].closes, 0);
    ck_assert(!ends[0].closed && !ends[2].closed);
    finish(ends, 3);
}
END_TEST

START_TEST(a_close_reaches_the_other_end_after_everything_else)
{
    struct end ends[3];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    say(&ends[0], 0, "last words");
    Og__StreamClose close = OG__STREAM_CLOSE__INIT;
    close.channel_id = "c";
    close.reason = OG__STREAM_CLOSE_REASON__STREAM_CLOSE_REASON_PROCESS_EXIT;
    give_message(&ends[0], FRAME_CLOSE, &close.base);
    ck_assert(ends[0].closed);
    take(&ends[1], 99);
    ck_assert_str_eq(ends[1].text, "last words");
    ck_assert_uint_eq(ends[1].closes, 1);
    ck_assert(ends[1].closed);
    ck_assert_uint_eq(atomic_load(&relay_counters(relay)->channels), 0);
    join(&ends[2], "c", VIEWER); // a new channel: nothing to replay
    take(&ends[2], 99);
    ck_assert_uint_eq(ends[2].frames, 0);
    finish(ends, 3);
}
END_TEST

START_TEST(input_goes_to_an_agent_only_and_is_not_kept)
{
    struct end ends[2];
    begin();
    Og__DesktopInput input = OG__DESKTOP_INPUT__INIT;
    input.channel_id = "c";
    join(&ends[1], "c", VIEWER);
    give_message(&ends[1], FRAME_INPUT, &input.base);
    join(&ends[0], "c", AGENT);
    take(&ends[0], 99);
    ck_assert_uint_eq(ends[0].inputs, 0);
    give_message(&ends[1], FRAME_INPUT, &input.base);
    give_message(&ends[0], FRAME_INPUT, &input.base);
    take(&ends[0], 99);
    take(&ends[1], 99);
    ck_assert_uint_eq(ends[0].inputs, 1);
    ck_assert_uint_eq(ends[1].inputs, 0);
    for (int i = 0; i < 2 * RELAY_INPUTS_MAX; i++)
        give_message(&ends[1], FRAME_INPUT, &input.base);
    take(&ends[0], 9999);
    ck_assert_uint_eq(ends[0].inputs, 1 + RELAY_INPUTS_MAX);
    finish(ends, 2);
}
END_TEST

START_TEST(refusals_name_the_reason)
{
    begin();
    char *old = agent_token("w", "a", 1), *other = agent_token("w", "b", 4102444800),
         *elsewhere = viewer_token("v", 7681, 1, 0), *port = viewer_token("w", 1, 1, 0),
         *agents = agent_token("w", "a", 4102444800), *views = viewer_token("w", 7681, 1, 0);
    const struct {
        struct open_as as;
        const char *error;
    } cases[] = {
        {{.role = 0}, "StreamOpen had an unspecified role"},
        {{.role = 9}, "StreamOpen had an unspecified role"},
        {{.role = 1, .channel = "d"}, "channel key does not match the dial query"},
        {{.role = 1, .token = ""}, "agent token: token has the wrong prefix"},
        {{.role = 1, .token = views}, "agent token: token has the wrong prefix"},
        {{.role = 1, .token = "ogr_x"}, "agent token: token is malformed"},
        {{.role = 1, .token = "ogr_e30.x"}, "agent token: token signature is invalid"},
        {{.role = 1, .token = old}, "agent token: token is expired"},
        {{.role = 1, .token = other}, "agent token scope does not match the channel key"},
        {{.role = 2, .token = agents}, "viewer token: token has the wrong prefix"},
        {{.role = 2, .token = elsewhere}, "viewer token workspace does not match the channel key"},
        {{.role = 2, .token = port}, "viewer token port does not match the channel key"},
    };
    struct end end;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        join(&end, "c", cases[i].as);
        ck_assert_uint_eq(end.acks, 1);
        ck_assert(!end.accepted);
        ck_assert_str_eq(end.error, cases[i].error);
        ck_assert(end.closed);
    }
    static const struct {
        const char *bytes;
        size_t size;
        const char *error;
    } raw[] = {{"", 0, "undecodable StreamOpen: "},
               {"\x09", 1, "undecodable StreamOpen: "},
               {"\x01\xff", 2, "undecodable StreamOpen: "},
               {"\x01", 1, "StreamOpen carried no channel key"},
               {"\x02\x08\x01", 3, "expected StreamOpen, got OpenAck"},
               {"\x03", 1, "expected StreamOpen, got Frame"},
               {"\x04", 1, "expected StreamOpen, got Close"},
               {"\x05", 1, "expected StreamOpen, got DesktopInput"}};
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        dial(&end, "c");
        give(&end, raw[i].bytes, raw[i].size);
        take(&end, 1);
        ck_assert_msg(strncmp(end.error, raw[i].error, strlen(raw[i].error)) == 0, "%s", end.error);
        ck_assert(end.closed);
    }
    machine_known = false;
    join(&end, "c", AGENT);
    ck_assert_str_eq(end.error, "agent token: machine is revoked or has enrolled again");
    mem_free(old), mem_free(other), mem_free(elsewhere), mem_free(port), mem_free(agents);
    mem_free(views);
    finish(&end, 1);
}
END_TEST

START_TEST(viewers_of_an_older_session_are_refused)
{
    struct end agent, end[5];
    begin();
    join(&agent, "c", AGENT);
    join(&end[0], "c", (struct open_as){.role = 2, .lease = 5, .authority = 3});
    join(&end[1], "c", (struct open_as){.role = 2, .lease = 4, .authority = 9});
    ck_assert_str_eq(end[1].error, "stale epoch (a newer sandbox is active)");
    join(&end[2], "c", (struct open_as){.role = 2, .lease = 9, .authority = 2});
    ck_assert(!end[2].accepted); // and the higher lease has not raised that floor
    join(&end[3], "c", (struct open_as){.role = 2, .lease = 5});
    ck_assert(end[3].accepted); // without the claim only the lease counts
    leave(&agent);
    leave(&end[3]);
    leave(&end[0]);
    join(&end[4], "c", (struct open_as){.role = 2, .lease = 1});
    ck_assert(end[4].accepted); // floors go with the channel
    finish(&end[4], 1);
}
END_TEST

// Frames of 64 KiB.
static const char *big(void)
{
    static char text[64 << 10];
    memset(text, 'x', sizeof text - 1);
    return text;
}

// Says it from number seq on, until nobody listens or number last has come; returns the next
// number.
static uint64_t say_until_paused(struct end *end, uint64_t seq, uint64_t last, const char *text)
{
    while (!end->paused && seq < last)
        say(end, seq++, text);
    return seq;
}

START_TEST(a_sender_is_held_back_while_the_other_end_is_slow_and_nothing_is_lost)
{
    struct end ends[2];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    uint64_t seq = say_until_paused(&ends[0], 0, 1000, big());
    ck_assert_uint_lt(seq, 40);
    uint64_t sent = seq;
    take(&ends[1], 1);
    ck_assert(ends[0].paused); // not at once
    take(&ends[1], 999);
    ck_assert(!ends[0].paused);
    ck_assert_uint_eq(ends[1].frames, sent);
    finish(ends, 2);
}
END_TEST

START_TEST(a_sender_that_is_held_back_hears_that_the_relay_lives)
{
    struct end ends[2];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    say_until_paused(&ends[0], 0, 1000, big());
    for (int i = 0; i < 60; i++) { // the viewer takes one from time to time
        if (i % 14 == 0)
            take(&ends[1], 1);
        now_ms += 1000;
        relay_tick(relay, now_ms);
    }
    ck_assert(ends[0].paused);
    ck_assert_uint_eq(ends[0].signs, 60000 / RELAY_SIGN_MS);
    ck_assert_uint_eq(ends[1].signs, 0);
    take(&ends[1], 999);
    ck_assert(!ends[0].paused);
    now_ms += 2 * RELAY_SIGN_MS;
    relay_tick(relay, now_ms);
    ck_assert_uint_eq(ends[0].signs, 60000 / RELAY_SIGN_MS);
    finish(ends, 2);
}
END_TEST

START_TEST(the_beginning_is_kept_for_the_first_viewer)
{
    struct end ends[2];
    begin();
    join(&ends[0], "c", AGENT);
    uint64_t seq = say_until_paused(&ends[0], 0, 1000, big());
    ck_assert_uint_gt(seq, 30);
    ck_assert_uint_lt(seq, 40);
    join(&ends[1], "c", VIEWER);
    take(&ends[1], 999);
    ck_assert(!ends[0].paused);
    ck_assert_uint_eq(ends[1].frames, seq);
    uint64_t first = seq; // from now on the agent does not wait for anybody
    leave(&ends[1]);
    seq = say_until_paused(&ends[0], seq, 1000, "small");
    ck_assert_uint_eq(seq, 1000);
    ck_assert_uint_gt(seq, first);
    finish(&ends[0], 1);
}
END_TEST

START_TEST(an_agent_does_not_wait_long_for_a_viewer)
{
    struct end agent;
    begin();
    join(&agent, "c", AGENT);
    uint64_t seq = say_until_paused(&agent, 0, 10000, "small");
    ck_assert_uint_eq(seq, RELAY_RING_FRAMES / 2 + 1);
    now_ms += RELAY_FIRST_VIEWER_MS - 1;
    relay_tick(relay, now_ms);
    ck_assert(agent.paused);
    now_ms += 1;
    relay_tick(relay, now_ms);
    ck_assert(!agent.paused);
    seq = say_until_paused(&agent, seq, 10000, "small");
    ck_assert_uint_eq(seq, 10000);
    finish(&agent, 1);
}
END_TEST

START_TEST(an_end_that_takes_nothing_is_dropped_and_holds_nobody_back)
{
    struct end ends[2];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    say_until_paused(&ends[0], 0, 1000, big());
    now_ms += RELAY_STALL_MS;
    relay_tick(relay, now_ms);
    ck_assert(!relay_is_over(ends[1].peer));
    now_ms += 1;
    relay_tick(relay, now_ms);
    ck_assert(relay_is_over(ends[1].peer));
    ck_assert(!ends[0].paused);
    ck_assert_uint_eq(atomic_load(&relay_counters(relay)->stalls), 1);
    finish(ends, 2);
}
END_TEST

START_TEST(the_rate_holds_back_and_does_not_drop)
{
    struct relay_limits limits = relay_default_limits;
    struct end ends[2];
    limits.rate = 1000;
    limits.burst = 2000;
    begin_with(limits);
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    static char text[1000];
    memset(text, 'x', sizeof text - 1);
    say(&ends[0], 0, text);
    say(&ends[0], 1, text);
    ck_assert(!ends[0].paused);
    say(&ends[0], 2, text);
    take(&ends[1], 99);
    ck_assert_uint_eq(ends[1].frames, 3);
    ck_assert(ends[0].paused);
    now_ms += 500;
    relay_tick(relay, now_ms);
    ck_assert(ends[0].paused);
    now_ms += 1000;
    relay_tick(relay, now_ms);
    ck_assert(!ends[0].paused);
    finish(ends, 2);
}
END_TEST

START_TEST(a_channel_with_one_end_is_reaped_and_a_paired_one_is_not)
{
    struct end ends[3];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    join(&ends[2], "alone", AGENT);
    now_ms += RELAY_PAIR_MS;
    say(&ends[2], 0, "touched");
    now_ms += 1;
    relay_tick(relay, now_ms);
    ck_assert(!relay_is_over(ends[2].peer));
    now_ms += RELAY_PAIR_MS;
    relay_tick(relay, now_ms);
    ck_assert(relay_is_over(ends[2].peer));
    ck_assert(!relay_is_over(ends[0].peer) && !relay_is_over(ends[1].peer));
    finish(ends, 3);
}
END_TEST

START_TEST(who_does_not_open_in_time_is_dropped)
{
    struct end end;
    begin();
    dial(&end, "c");
    now_ms += RELAY_OPEN_MS;
    relay_tick(relay, now_ms);
    ck_assert(!relay_is_over(end.peer));
    now_ms++;
    relay_tick(relay, now_ms);
    ck_assert(relay_is_over(end.peer));
    ck_assert_uint_eq(relay_message_max(end.peer), RELAY_OPEN_BYTES_MAX);
    finish(&end, 1);
}
END_TEST

START_TEST(a_revoked_machine_loses_its_channels)
{
    struct end ends[2];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    relay_cut(relay, "someone else", now_ms + 1);
    relay_cut(relay, "a", now_ms); // these ends came after that decision
    relay_tick(relay, now_ms);
    ck_assert(!relay_is_over(ends[0].peer) && !relay_is_over(ends[1].peer));
    relay_cut(relay, "a", now_ms + 1);
    relay_tick(relay, now_ms);
    ck_assert(relay_is_over(ends[0].peer) && relay_is_over(ends[1].peer));
    finish(ends, 2);
}
END_TEST

START_TEST(one_machine_cannot_take_all_channels)
{
    enum { COUNT = RELAY_CHANNELS_OF_AGENT_MAX + 1 };
    static struct end ends[COUNT];
    char channel[16];
    begin();
    for (int i = 0; i < COUNT; i++) {
        snprintf(channel, sizeof channel, "c%d", i);
        join(&ends[i], channel, AGENT);
    }
    ck_assert(ends[COUNT - 2].accepted);
    ck_assert_str_eq(ends[COUNT - 1].error, "too many channels");
    finish(ends, COUNT);
}
END_TEST

START_TEST(bytes_that_are_no_message_change_nothing)
{
    struct end ends[2];
    begin();
    join(&ends[0], "c", AGENT);
    join(&ends[1], "c", VIEWER);
    static const char *const bad[] = {"",
                                      "\x07",
                                      "\x03\xff",
                                      "\x03\x1a\x7f",
                                      "\x03\x10\xff\xff\xff\xff"
                                      "\xff\xff\xff\xff\xff\xff\x01",
                                      "\x03\x0b",
                                      "\x03\x18\x01",
                                      "\x01\x0a",
                                      "\x02\x08\x01",
                                      "\x04\x0a\x7f",
                                      "\x04\x08\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        give(&ends[0], bad[i], strlen(bad[i]));
    take(&ends[1], 99);
    ck_assert_uint_eq(ends[1].frames, 0);
    ck_assert(!ends[0].closed && !ends[1].closed);
    say(&ends[0], 0, "still here");
    take(&ends[1], 99);
    ck_assert_str_eq(ends[1].text, "still here");
    finish(ends, 2);
}
END_TEST

CHECK_MAIN("relay", 300, what_one_end_sends_the_other_receives,
           an_end_that_comes_later_gets_what_it_missed_from_where_it_says,
           numbers_at_the_end_of_their_range_are_numbers,
           the_ring_keeps_the_newest_by_number_and_by_bytes,
           a_new_end_takes_the_place_of_the_old_one, what_a_replaced_end_still_sends_does_not_count,
           a_close_reaches_the_other_end_after_everything_else,
           input_goes_to_an_agent_only_and_is_not_kept, refusals_name_the_reason,
           viewers_of_an_older_session_are_refused,
           a_sender_is_held_back_while_the_other_end_is_slow_and_nothing_is_lost,
           a_sender_that_is_held_back_hears_that_the_relay_lives,
           the_beginning_is_kept_for_the_first_viewer, an_agent_does_not_wait_long_for_a_viewer,
           an_end_that_takes_nothing_is_dropped_and_holds_nobody_back,
           the_rate_holds_back_and_does_not_drop,
           a_channel_with_one_end_is_reaped_and_a_paired_one_is_not,
           who_does_not_open_in_time_is_dropped, a_revoked_machine_loses_its_channels,
           one_machine_cannot_take_all_channels, bytes_that_are_no_message_change_nothing)
