#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H 1

/* The skeleton that all daemons share: options, log, pid file, signals, loop.
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const struct daemon_spec spec = {.name = "rfvs", ...};
 *         return daemon_run(&spec, argc, argv);
 *     }
 *
 * daemon_run() parses the options, opens the log, locks the pid file, calls start(),
 * runs the loop until SIGTERM or SIGINT (or daemon_stop()), and calls stop().
 *
 * Common options, in addition to the daemon's own:
 *     --config FILE     INI file (an explicit one must exist; the default need not)
 *     --log FILE        instead of standard error; reopened on SIGHUP
 *     --log-level LEVEL error, warning, info, debug
 *     --pid-file FILE   locked while running: a second instance is refused
 *     --detach          to the background once start() succeeded
 *     --help --usage --version
 *
 * A log line: "2026-01-02T03:04:05.678Z INFO  assoc: message". */

#include <stddef.h>
#include <stdint.h>

#include "daemon/options.h"
#include "net/loop.h"
#include "net/zsock.h"

struct daemon;

struct daemon_spec {
    const char *name;   /* Of the program. */
    const char *doc;    /* One paragraph for --help. */
    const char *config; /* Default INI file, or NULL. */
    /* Capabilities(7) that it needs, a bit for each; all others are given up before
     * start(). */
    uint64_t capabilities;
    const struct option_spec *options; /* Up to one with a NULL key; may be NULL. */
    /* Builds the daemon.  Returns its context; or, after freeing all that it made (an
     * open ZeroMQ socket would keep the process) and logging why, NULL: exit status 1.
     */
    void *(*start)(struct daemon *, const struct options *);
    void (*reload)(void *context); /* SIGHUP; may be NULL. */
    void (*stop)(void *context);   /* Frees all that start() made. */
};

/* Returns the exit status: 0, 1 for a failed start, 64 (EX_USAGE) for bad options. */
int daemon_run(const struct daemon_spec *, int argc, char **argv);

struct loop *daemon_loop(struct daemon *);
struct zctx *daemon_zctx(struct daemon *); /* One per process, made at first use. */
/* Ends the loop, as SIGTERM does, with this exit status. */
void daemon_stop(struct daemon *, int status);

/* Pid file, for tests and tools: creates, locks (fcntl) and fills it.  0 and a
 * descriptor to keep open; or an errno, EWOULDBLOCK if another process, *ret_holder,
 * has it. */
int pidfile_acquire(const char *path, int *ret_fd, long *ret_holder);
void pidfile_release(const char *path, int fd);

/* For programs that are not daemons (rfctl): log to standard error at this level. */
void daemon_log_to_stderr(int level /* enum log_level */);

#endif
