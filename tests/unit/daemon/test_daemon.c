#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/daemon.h"

/* Each run of a daemon is a child process whose standard error and output go to a file,
 * and which reports over a pipe what it saw. */

static char dir[] = "/tmp/rf-daemon-test.XXXXXX";
static char seen[4096]; /* What the daemon said on its pipe. */
static int report_fd;

static const struct option_spec options[] = {
    {"listen", "ENDPOINT", "where to listen", "ptcp:6653", 'l'},
    {"hold", "TIME", "hold time", "120s", 0},
    {"vm-id", "ID", "id of the VM", NULL, 0},
    {"count", "N", "a number", "5", 0},
    {"strict", NULL, "a switch", NULL, 0},
    {0},
};

static void report(const char *text)
{
    if (write(report_fd, text, strlen(text)) < 0) {
        abort();
    }
}

static void *start(struct daemon *d, const struct options *o)
{
    char line[512];
    uint64_t count = 0, id = 0;
    int64_t hold = 0;

    if (!options_u64(o, "count", 1, 10, &count) ||
        !options_ms(o, "hold", 0, 3600000, &hold) ||
        (options_get(o, "vm-id") && !options_id(o, "vm-id", &id))) {
        return NULL;
    }
    snprintf(
        line, sizeof line, "listen=%s hold=%ld id=%lx count=%lu strict=%d set=%d\n",
        options_get(o, "listen"), (long)hold, (unsigned long)id, (unsigned long)count,
        options_flag(o, "strict"), options_is_set(o, "listen"));
    report(line);
    return d;
}

static void reload(void *context)
{
    report("reload\n");
}

static void stop(void *context)
{
    report("stop\n");
}

static const struct daemon_spec spec = {.name = "rftest",
                                        .doc = "A daemon for tests.",
                                        .options = options,
                                        .start = start,
                                        .reload = reload,
                                        .stop = stop};

struct run {
    pid_t pid;
    int fd; /* To read what it reports. */
};

/* Lives as long as the test, which makes fewer than 64. */
static char *path_of(const char *name)
{
    static char paths[64][128];
    static unsigned i;
    char *path = paths[i++ % 64];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static struct run run_daemon(char **argv)
{
    int fds[2], argc = 0;
    struct run r;

    while (argv[argc]) {
        argc++;
    }
    seen[0] = '\0';
    ck_assert_int_eq(pipe(fds), 0);
    r.pid = fork();
    if (!r.pid) {
        int out = open(path_of("out"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        close(fds[0]);
        report_fd = fds[1];
        int status = daemon_run(&spec, argc, argv);
        fflush(stdout);
        _exit(status);
    }
    close(fds[1]);
    r.fd = fds[0];
    return r;
}

/* Reads what the daemon says until `text` appears, or until the end. */
static void wait_for(struct run *r, const char *text)
{
    while (!text || !strstr(seen, text)) {
        size_t n = strlen(seen);
        ssize_t got = read(r->fd, seen + n, sizeof seen - 1 - n);
        if (got <= 0) {
            break;
        }
        seen[n + (size_t)got] = '\0';
    }
    ck_assert_msg(!text || strstr(seen, text), "not \"%s\" but \"%s\"", text, seen);
}

static int finish(struct run *r)
{
    int status;

    wait_for(r, NULL);
    close(r->fd);
    ck_assert_int_eq(waitpid(r->pid, &status, 0), r->pid);
    ck_assert_msg(WIFEXITED(status), "status %x", (unsigned)status);
    return WEXITSTATUS(status);
}

static int terminate(struct run *r)
{
    kill(r->pid, SIGTERM);
    return finish(r);
}

static const char *contents(const char *name)
{
    static char text[8192];
    FILE *f = fopen(path_of(name), "r");

    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static const char *write_file(const char *name, const char *text)
{
    const char *path = path_of(name);
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    return path;
}

#define ARGS(...)                     \
    (char *[])                        \
    {                                 \
        "rftest", ##__VA_ARGS__, NULL \
    }

/* Runs with these arguments until it is up, and expects it to have seen `line`. */
static void expect_options(char **argv, const char *line)
{
    struct run r = run_daemon(argv);

    wait_for(&r, "\n");
    ck_assert_str_eq(seen, line);
    ck_assert_int_eq(terminate(&r), 0);
    ck_assert_ptr_nonnull(strstr(seen, "stop\n"));
}

static void expect_refusal(char **argv, int status, const char *text)
{
    struct run r = run_daemon(argv);

    ck_assert_int_eq(finish(&r), status);
    ck_assert_msg(strstr(contents("out"), text), "no \"%s\" in: %s", text,
                  contents("out"));
    ck_assert_str_eq(seen, "");
}

static void make_dir(void)
{
    strcpy(dir, "/tmp/rf-daemon-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    static const char *const names[] = {"out", "a.ini", "log", "pid", "log.1"};

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        unlink(path_of(names[i]));
    }
    ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(defaults_hold_until_file_or_command_line_say_otherwise)
{
    make_dir();
    expect_options(ARGS(),
                   "listen=ptcp:6653 hold=120000 id=0 count=5 strict=0 set=0\n");
    char *file = (char *)write_file("a.ini", "# comment\n"
                                             "listen = ptcp:1 ; inline\n"
                                             "[rftest]\n"
                                             "  hold = 1.5s\n"
                                             "  strict = yes\n"
                                             "vm-id = 02a0a0a0a0a0\n"
                                             "[rfother]\n"
                                             "nonsense = 1\n");
    expect_options(ARGS("--config", file),
                   "listen=ptcp:1 hold=1500 id=2a0a0a0a0a0 count=5 strict=1 set=1\n");
    expect_options(ARGS("--count=0x7", "-c", file, "--listen=ptcp:2", "--hold", "50ms"),
                   "listen=ptcp:2 hold=50 id=2a0a0a0a0a0 count=7 strict=1 set=1\n");
    expect_options(ARGS("-l", "ptcp:3", "--strict"),
                   "listen=ptcp:3 hold=120000 id=0 count=5 strict=1 set=1\n");
    remove_dir();
}
END_TEST

START_TEST(every_fault_of_a_file_is_told_with_its_line)
{
    make_dir();
    char *file = (char *)write_file("a.ini", "listen = ptcp:1\n"
                                             "colour = red\n"
                                             "no equals sign\n"
                                             "[rftest]\n"
                                             "[broken\n"
                                             "strict = maybe\n"
                                             "size = 3\n");
    expect_refusal(ARGS("--config", file), 64, "a.ini:2: unknown key \"colour\"\n");
    ck_assert_ptr_nonnull(strstr(contents("out"), "a.ini:3: expected key = value"));
    ck_assert_ptr_nonnull(strstr(contents("out"), "a.ini:5: expected key = value"));
    ck_assert_ptr_nonnull(
        strstr(contents("out"), "a.ini:6: strict = maybe: expected true or false\n"));
    ck_assert_ptr_nonnull(strstr(contents("out"), "a.ini:7: unknown key \"size\"\n"));
    remove_dir();
}
END_TEST

START_TEST(a_long_line_is_refused_and_not_cut_in_two)
{
    char text[6000];

    make_dir();
    memset(text, 'x', sizeof text);
    memcpy(text, "listen = ", 9);
    strcpy(text + sizeof text - 11, "\ncount = 9");
    char *file = (char *)write_file("a.ini", text);
    expect_refusal(ARGS("--config", file), 64, "a.ini:1: line is longer than 4096");
    ck_assert_ptr_null(strstr(contents("out"), "a.ini:2"));
    remove_dir();
}
END_TEST

START_TEST(a_config_file_that_was_asked_for_must_exist)
{
    make_dir();
    expect_refusal(ARGS("--config=/nonexistent/a.ini"), 64,
                   "No such file or directory");
    remove_dir();
}
END_TEST

START_TEST(bad_options_are_refused_with_what_was_expected)
{
    make_dir();
    expect_refusal(ARGS("--frobnicate"), 64, "unrecognized option '--frobnicate'");
    expect_refusal(ARGS("stray"), 64, "unexpected argument \"stray\"");
    expect_refusal(ARGS("--log-level=loud"), 64,
                   "expected error, warning, info or debug");
    expect_refusal(
        ARGS("--count=11"), 1,
        "ERROR options: option count: \"11\": expected a number from 1 to 10");
    expect_refusal(ARGS("--count=x"), 1, "expected a number from 1 to 10");
    expect_refusal(ARGS("--hold=5x"), 1, "such as 50ms, 1.5s or 2min");
    expect_refusal(ARGS("--hold=99999999999999999999"), 1, "expected a time");
    expect_refusal(ARGS("--hold=2h"), 1, "expected a time");
    expect_refusal(ARGS("--vm-id=zz"), 1, "expected a hexadecimal number");
    remove_dir();
}
END_TEST

START_TEST(help_and_version_print_and_succeed)
{
    make_dir();
    expect_refusal(ARGS("--help"), 0, "A daemon for tests.");
    ck_assert_ptr_nonnull(strstr(contents("out"), "--listen=ENDPOINT"));
    ck_assert_ptr_nonnull(strstr(contents("out"), "(default: ptcp:6653)"));
    ck_assert_ptr_nonnull(strstr(contents("out"), "--pid-file=FILE"));
    expect_refusal(ARGS("--version"), 0, "rftest (routeflow) 0.1.0");
    expect_refusal(ARGS("--usage"), 0, "--hold=TIME");
    remove_dir();
}
END_TEST

START_TEST(hangup_reloads_and_reopens_the_log)
{
    make_dir();
    char *log = path_of("log"), *old = path_of("log.1");
    struct run r = run_daemon(ARGS("--log", log));

    wait_for(&r, "\n");
    while (!strstr(contents("log"), "runs as process")) {
        usleep(1000);
    }
    ck_assert_int_eq(rename(log, old), 0);
    kill(r.pid, SIGHUP);
    wait_for(&r, "reload\n");
    ck_assert_int_eq(terminate(&r), 0);
    const char *line = contents("log");
    /* 2026-01-02T03:04:05.678Z INFO  daemon: rftest stops */
    ck_assert_msg(!strcmp(line + 24, " INFO  daemon: rftest stops\n"), "%s", line);
    ck_assert_int_eq(line[10], 'T');
    ck_assert_int_eq(line[23], 'Z');
    remove_dir();
}
END_TEST

START_TEST(a_second_instance_is_refused_and_names_the_first)
{
    char expected[128];

    make_dir();
    char *pid_file = path_of("pid");
    struct run first = run_daemon(ARGS("--pid-file", pid_file));

    wait_for(&first, "\n");
    snprintf(expected, sizeof expected, "%ld\n", (long)first.pid);
    ck_assert_str_eq(contents("pid"), expected);
    snprintf(expected, sizeof expected, "rftest is already running as process %ld (pid",
             (long)first.pid);
    struct run second = run_daemon(ARGS("--pid-file", pid_file));
    ck_assert_int_eq(finish(&second), 1);
    ck_assert_ptr_nonnull(strstr(contents("out"), expected));
    ck_assert_int_eq(terminate(&first), 0);
    ck_assert_int_ne(access(pid_file, F_OK), 0);
    remove_dir();
}
END_TEST

START_TEST(the_pid_file_of_a_killed_instance_does_not_stand_in_the_way)
{
    int status;

    make_dir();
    char *pid_file = path_of("pid");
    struct run first = run_daemon(ARGS("--pid-file", pid_file));
    wait_for(&first, "\n");
    kill(first.pid, SIGKILL);
    waitpid(first.pid, &status, 0);
    close(first.fd);
    expect_options(ARGS("--pid-file", pid_file),
                   "listen=ptcp:6653 hold=120000 id=0 count=5 strict=0 set=0\n");
    remove_dir();
}
END_TEST

START_TEST(detach_returns_when_the_daemon_runs_or_has_failed)
{
    long pid;

    make_dir();
    char *log = path_of("log"), *pid_file = path_of("pid");
    expect_refusal(ARGS("--detach"), 64, "--detach needs --log FILE");
    expect_refusal(ARGS("--detach", "--log", log, "--count=99"), 1, "");
    ck_assert_ptr_nonnull(strstr(contents("log"), "option count"));

    struct run r = run_daemon(ARGS("--detach", "--log", log, "--pid-file", pid_file));
    int status;
    ck_assert_int_eq(waitpid(r.pid, &status, 0), r.pid);
    ck_assert_int_eq(status, 0);
    /* It runs, and says so, already. */
    ck_assert_int_eq(sscanf(contents("pid"), "%ld", &pid), 1);
    ck_assert_int_ne(pid, r.pid);
    ck_assert_ptr_nonnull(strstr(contents("log"), "runs as process"));
    kill((pid_t)pid, SIGTERM);
    wait_for(&r, "stop\n");
    wait_for(&r, NULL); /* The pipe closes when the process has ended. */
    close(r.fd);
    remove_dir();
}
END_TEST

START_TEST(control_characters_never_reach_the_log)
{
    int fds[2];
    char line[256] = "";

    ck_assert_int_eq(pipe(fds), 0);
    int old = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    daemon_log_to_stderr(LOGL_INFO);
    log_msg(LOGL_WARN, "test", "peer says \"%s\"", "\x1b[2Ja\nb");
    dup2(old, STDERR_FILENO);
    ck_assert_int_gt(read(fds[0], line, sizeof line - 1), 0);
    ck_assert_str_eq(line + 24, " WARN  test: peer says \"?[2Ja?b\"\n");
}
END_TEST

UNIT_MAIN("daemon/daemon", defaults_hold_until_file_or_command_line_say_otherwise,
          every_fault_of_a_file_is_told_with_its_line,
          a_long_line_is_refused_and_not_cut_in_two,
          a_config_file_that_was_asked_for_must_exist,
          bad_options_are_refused_with_what_was_expected,
          help_and_version_print_and_succeed, hangup_reloads_and_reopens_the_log,
          a_second_instance_is_refused_and_names_the_first,
          the_pid_file_of_a_killed_instance_does_not_stand_in_the_way,
          detach_returns_when_the_daemon_runs_or_has_failed,
          control_characters_never_reach_the_log)
