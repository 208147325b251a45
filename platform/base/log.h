// The log: one line an event, "<time> LEVEL event key=value ...", on stderr; with journald's level
// prefix and no time when stderr is the journal. Tokens are struck out of every value.
//
//     log_info("link online", "connection", id, "url", url, NULL);
//
// Keys and values are strings in pairs, closed by NULL; log_num() makes a short-lived text of a
// number. A NULL value prints as "-". No secret, command line or output is ever passed in.
#pragma once

enum log_level { LOG_OFF = -1, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

// Reads OPENGENI_LOG, else RUST_LOG; anything unknown means info.
void log_init(void);
void log_set_level(enum log_level level);
enum log_level log_level(void);

void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_event(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                         \
    do {                                       \
        if (log_level() >= LOG_DEBUG)          \
            log_event(LOG_DEBUG, __VA_ARGS__); \
    } while (0)
#define log_trace(...)                         \
    do {                                       \
        if (log_level() >= LOG_TRACE)          \
            log_event(LOG_TRACE, __VA_ARGS__); \
    } while (0)

struct log_text {
    char text[24];
};
struct log_text log_number(long long value);
#define log_num(value) (log_number((long long)(value)).text)

struct fail;
struct log_fail_text {
    char text[600];
};
struct log_fail_text log_failure(const struct fail *why);
#define log_why(why) (log_failure(why).text)

// Strikes tokens (og?_..., og??_...) out of the text in place: the prefix stays, the rest becomes
// "***". For messages that came from a server and are shown to a person.
void log_redact(char *text);
