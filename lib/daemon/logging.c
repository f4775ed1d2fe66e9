#include "logging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "daemon/daemon.h"
#include "net/loop.h"

static int64_t log_now(void *aux)
{
    return loop_now();
}

static size_t format_line(char *line, size_t size, enum log_level level,
                          const char *module, const char *message)
{
    static const char *const levels[] = {"ERROR", "WARN ", "INFO ", "DEBUG"};
    struct timespec ts;
    struct tm tm;
    char date[32];

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    int n = snprintf(line, size - 1, "%s.%03ldZ %s %s: %s", date, ts.tv_nsec / 1000000,
                     levels[level], module, message);
    size_t len = MIN((size_t)n, size - 2);
    for (size_t i = 0; i < len; i++) {
        /* A peer's text must not write lines of its own, nor drive a terminal. */
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[len++] = '\n';
    return len;
}

static void sink(void *aux, enum log_level level, const char *module,
                 const char *message)
{
    struct logging *l = aux;
    char line[1280];
    size_t len = format_line(line, sizeof line, level, module, message);

    /* One write, so that lines of several processes do not mix. */
    if (write(l ? l->fd : STDERR_FILENO, line, len) < 0) {
        return; /* There is nowhere left to complain. */
    }
}

static int open_log(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

int logging_open(struct logging *l, const char *path, enum log_level level)
{
    int fd = path ? open_log(path) : STDERR_FILENO;

    if (fd < 0) {
        return errno;
    }
    l->path = path;
    l->fd = fd;
    log_set_clock(log_now, NULL);
    log_set_level(level);
    log_set_sink(sink, l);
    return 0;
}

int logging_reopen(struct logging *l)
{
    if (l->path) {
        int fd = open_log(l->path);
        if (fd < 0) {
            return errno;
        }
        close(l->fd);
        l->fd = fd;
    }
    return 0;
}

void logging_close(struct logging *l)
{
    log_set_sink(NULL, NULL);
    if (l->path) {
        close(l->fd);
    }
}

void daemon_log_to_stderr(int level)
{
    log_set_clock(log_now, NULL);
    log_set_level((enum log_level)level);
    log_set_sink(sink, NULL);
}
