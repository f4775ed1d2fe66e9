#define LOG_MODULE "daemon"

#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "daemon/privileges.h"
#include "logging.h"
#include "options_table.h"

struct daemon {
    const struct daemon_spec *spec;
    struct options *options;
    struct logging logging;
    struct loop *loop;
    struct zctx *zctx;
    void *context;
    const char *pid_path;
    int pid_fd;   /* -1: no pid file. */
    int ready_fd; /* Where the parent of --detach waits for a word; -1: nobody does. */
    int status;
};

static const struct option_spec common_options[] = {
    {"config", "FILE", "read options from this INI file", NULL, 'c'},
    {"log", "FILE", "write the log there instead of standard error", NULL, 0},
    {"log-level", "LEVEL", "error, warning, info or debug", "info", 0},
    {"pid-file", "FILE", "write the process id there; lock it while running", NULL, 0},
    {"detach", NULL, "go to the background when started; needs --log", NULL, 0},
    {0},
};

struct loop *daemon_loop(struct daemon *d)
{
    return d->loop;
}

struct zctx *daemon_zctx(struct daemon *d)
{
    if (!d->zctx) {
        d->zctx = zctx_create();
    }
    return d->zctx;
}

void daemon_stop(struct daemon *d, int status)
{
    d->status = status;
    loop_stop(d->loop);
}

static void on_stop_signal(void *aux)
{
    struct daemon *d = aux;

    log_info("%s stops", d->spec->name);
    daemon_stop(d, 0);
}

static void on_reload_signal(void *aux)
{
    struct daemon *d = aux;
    int error = logging_reopen(&d->logging);

    if (error) {
        log_err("cannot reopen the log %s: %s", d->logging.path, strerror(error));
    }
    if (d->spec->reload) {
        d->spec->reload(d->context);
    }
}

static bool open_log(struct daemon *d)
{
    const char *level_name = options_get(d->options, "log-level");
    const char *path = options_get(d->options, "log");
    enum log_level level;

    if (!log_level_parse(level_name, &level)) {
        fprintf(
            stderr,
            "%s: option log-level: \"%s\": expected error, warning, info or debug\n",
            d->spec->name, level_name);
        return false;
    }
    int error = logging_open(&d->logging, path, level);
    if (error) {
        fprintf(stderr, "%s: cannot open the log %s: %s\n", d->spec->name, path,
                strerror(error));
    }
    return !error;
}

static bool lock_pid_file(struct daemon *d)
{
    long holder;

    d->pid_path = options_get(d->options, "pid-file");
    if (!d->pid_path) {
        return true;
    }
    int error = pidfile_acquire(d->pid_path, &d->pid_fd, &holder);
    if (error == EWOULDBLOCK) {
        log_err("%s is already running as process %ld (pid file %s)", d->spec->name,
                holder, d->pid_path);
    } else if (error) {
        log_err("cannot write the pid file %s: %s", d->pid_path, strerror(error));
    }
    return !error;
}

/* Detaching.  The parent waits for the child's word, so that a script which starts the
 * daemon knows, when this returns, that it runs. */

static int wait_for_child(int fd)
{
    char status = 1;

    while (read(fd, &status, 1) < 0 && errno == EINTR) {
    }
    close(fd);
    return status;
}

/* In the parent sets *ret_parent and returns the exit status. */
static int detach(struct daemon *d, bool *ret_parent)
{
    int fds[2];

    *ret_parent = true;
    if (!options_get(d->options, "log")) {
        fprintf(stderr, "%s: --detach needs --log FILE\n", d->spec->name);
        return EX_USAGE;
    }
    if (pipe2(fds, O_CLOEXEC)) {
        log_err("pipe: %s", strerror(errno));
        return 1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        log_err("fork: %s", strerror(errno));
        return 1;
    }
    if (pid) {
        close(fds[1]);
        return wait_for_child(fds[0]);
    }
    close(fds[0]);
    setsid();
    *ret_parent = false;
    d->ready_fd = fds[1];
    return 0;
}

static void tell_parent(struct daemon *d, char status)
{
    if (d->ready_fd < 0) {
        return;
    }
    if (write(d->ready_fd, &status, 1) < 0) {
        log_warn("nobody waits for this daemon: %s", strerror(errno));
    }
    close(d->ready_fd);
    d->ready_fd = -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
}

static void drop_privileges(const struct daemon *d)
{
    const int error = privileges_drop(d->spec->capabilities);

    if (error) {
        log_warn("cannot give up privileges: %s", strerror(error));
    }
}

static void run_loop(struct daemon *d)
{
    drop_privileges(d);
    d->loop = loop_create();
    struct loop_signal *signals[] = {
        loop_signal_create(d->loop, SIGTERM, on_stop_signal, d),
        loop_signal_create(d->loop, SIGINT, on_stop_signal, d),
        loop_signal_create(d->loop, SIGHUP, on_reload_signal, d),
    };

    d->context = d->spec->start(d, d->options);
    if (d->context) {
        log_info("%s %s runs as process %ld", d->spec->name, RF_VERSION,
                 (long)getpid());
        tell_parent(d, 0);
        loop_run(d->loop);
        d->spec->stop(d->context);
    } else {
        d->status = 1;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++) {
        loop_signal_destroy(signals[i]);
    }
    zctx_destroy(d->zctx);
    loop_destroy(d->loop);
}

static void run(struct daemon *d)
{
    bool parent = false;

    if (options_flag(d->options, "detach")) {
        d->status = detach(d, &parent);
    }
    if (!parent) {
        if (lock_pid_file(d)) {
            run_loop(d);
        } else {
            d->status = 1;
        }
        if (d->pid_fd >= 0) {
            pidfile_release(d->pid_path, d->pid_fd);
        }
        tell_parent(d, 1);
    }
}

int daemon_run(const struct daemon_spec *spec, int argc, char **argv)
{
    struct daemon d = {.spec = spec, .pid_fd = -1, .ready_fd = -1};

    switch (options_parse(spec->name, spec->doc, spec->config, spec->options,
                          common_options, argc, argv, &d.options)) {
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_ERROR:
        return EX_USAGE;
    case OPTIONS_OK:
        break;
    }
    /* A peer that has gone must be an error of a write, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    if (open_log(&d)) {
        run(&d);
        logging_close(&d.logging);
    } else {
        d.status = EX_USAGE;
    }
    options_destroy(d.options);
    return d.status;
}
