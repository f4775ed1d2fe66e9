#ifndef BASE_LOG_H
#define BASE_LOG_H 1

/* Logging.  The only global state of the project: one sink and one level, set by the
 * daemon skeleton before anything else runs.  Without a sink nothing is printed, so
 * that pure code may log and stay pure.
 *
 * A source file says `#define LOG_MODULE "assoc"` before including this header.
 * Messages are one line, start in lower case, name the peer, port, file or row they
 * speak of, and for a refusal say what was expected. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOGL_ERR, LOGL_WARN, LOGL_INFO, LOGL_DEBUG };

typedef void log_sink_fn(void *aux, enum log_level, const char *module,
                         const char *message);
typedef int64_t log_clock_fn(void *aux); /* Monotonic milliseconds. */

void log_set_sink(log_sink_fn *, void *aux);
void log_set_clock(log_clock_fn *, void *aux);
void log_set_level(enum log_level);
bool log_enabled(enum log_level);
bool log_level_parse(const char *name, enum log_level *ret);
const char *log_level_name(enum log_level);

/* Whoever can be made to log by a peer's bytes limits it: at most `burst` messages in
 * each period of `period_ms`, and the first one after that says how many were left out.
 * Keep one per peer and cause, zero-initialized: {0} means 5 messages in 10 s. */
struct log_limit {
    int burst;
    int64_t period_ms;
    int64_t since;
    int n;
    unsigned suppressed;
};

/* Limits of peers who have no struct to keep theirs in, such as connections before it
 * is known whose they are: found by what identifies the peer, so that one who floods
 * the log does not silence the message about another.  Two peers may share one. */
struct log_limits {
    struct log_limit slots[32];
};

struct log_limit *log_limit_of(struct log_limits *, const void *key, size_t n);

void log_msg(enum log_level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_msg_limited(struct log_limit *, enum log_level, const char *module,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_err(...) log_msg(LOGL_ERR, LOG_MODULE, __VA_ARGS__)
#define log_warn(...) log_msg(LOGL_WARN, LOG_MODULE, __VA_ARGS__)
#define log_info(...) log_msg(LOGL_INFO, LOG_MODULE, __VA_ARGS__)
#define log_debug(...)                                    \
    do {                                                  \
        if (log_enabled(LOGL_DEBUG)) {                    \
            log_msg(LOGL_DEBUG, LOG_MODULE, __VA_ARGS__); \
        }                                                 \
    } while (0)
#define log_warn_limited(LIMIT, ...) \
    log_msg_limited(LIMIT, LOGL_WARN, LOG_MODULE, __VA_ARGS__)
#define log_info_limited(LIMIT, ...) \
    log_msg_limited(LIMIT, LOGL_INFO, LOG_MODULE, __VA_ARGS__)

#endif
