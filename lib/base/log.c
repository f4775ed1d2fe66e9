#include "base/log.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"

static struct {
    log_sink_fn *sink;
    void *sink_aux;
    log_clock_fn *clock;
    void *clock_aux;
    enum log_level level;
} log_state = {.level = LOGL_INFO};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_set_sink(log_sink_fn *sink, void *aux)
{
    log_state.sink = sink;
    log_state.sink_aux = aux;
}

void log_set_clock(log_clock_fn *clock, void *aux)
{
    log_state.clock = clock;
    log_state.clock_aux = aux;
}

void log_set_level(enum log_level level)
{
    log_state.level = level;
}

bool log_enabled(enum log_level level)
{
    return log_state.sink && level <= log_state.level;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(const char *name, enum log_level *ret)
{
    for (int i = 0; i <= LOGL_DEBUG; i++) {
        if (!strcmp(name, level_names[i])) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void log_va(enum log_level level, const char *module, unsigned suppressed,
                   const char *format, va_list args)
{
    char line[1024];

    int n = vsnprintf(line, sizeof line, format, args);
    if (n >= 0 && (size_t)n < sizeof line && suppressed) {
        snprintf(line + n, sizeof line - (size_t)n, " (%u similar left out)",
                 suppressed);
    }
    log_state.sink(log_state.sink_aux, level, module, line);
}

void log_msg(enum log_level level, const char *module, const char *format, ...)
{
    va_list args;

    if (log_enabled(level)) {
        va_start(args, format);
        log_va(level, module, 0, format, args);
        va_end(args);
    }
}

void log_msg_limited(struct log_limit *limit, enum log_level level, const char *module,
                     const char *format, ...)
{
    int burst = limit->burst ? limit->burst : 5;
    int64_t period = limit->period_ms ? limit->period_ms : 10000;
    int64_t now = log_state.clock ? log_state.clock(log_state.clock_aux) : 0;
    va_list args;

    if (!log_enabled(level)) {
        return;
    }
    if (!limit->n || now - limit->since >= period) {
        limit->since = now;
        limit->n = 0;
    }
    if (limit->n >= burst && log_state.clock) {
        limit->suppressed++;
        return;
    }
    limit->n++;
    va_start(args, format);
    log_va(level, module, limit->suppressed, format, args);
    va_end(args);
    limit->suppressed = 0;
}

struct log_limit *log_limit_of(struct log_limits *limits, const void *key, size_t n)
{
    return &limits->slots[hash_bytes(key, n, 0) % ARRAY_SIZE(limits->slots)];
}
