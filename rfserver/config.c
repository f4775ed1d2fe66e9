/* The mapping file and its live reload.
 *
 * The folders of both files are watched, not the files: editors replace a file as often
 * as they write into it.  A burst of changes is one reload. */

#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_MODULE "mapping"
#include "base/buf.h"
#include "base/log.h"
#include "base/util.h"

#define FILE_MAX (64 << 20)
#define LOGGED_FAULTS 25 /* Of one reading; a file of another kind has thousands. */
#define SETTLE_MS 100    /* After the last change of a burst. */

struct config_watch {
    struct server *server;
    int fd;
    struct loop_fd *watcher;
    struct loop_timer *settle;
};

/* 0, or an errno; EFBIG and EISDIR included. */
static int read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? errno : 0;
    ssize_t n = 1;

    while (!error && n > 0) {
        buf_reserve(out, 65536);
        n = read(fd, out->data + out->len, 65536);
        if (n < 0) {
            error = errno;
        } else {
            out->len += (size_t)n;
            error = out->len > FILE_MAX ? EFBIG : 0;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

static void report_fault(struct server *s, const char *fault)
{
    log_err("%s", fault);
    if (!s->mapping_error[0]) {
        str_copy(s->mapping_error, fault, sizeof s->mapping_error);
    }
}

static void report_faults(struct server *s, struct buf *faults)
{
    char *save = NULL;
    char *text = xstrdup(buf_cstr(faults));
    size_t n = 0;

    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (n++ < LOGGED_FAULTS) {
            report_fault(s, line);
        }
    }
    if (n > LOGGED_FAULTS) {
        log_err("%s: and %zu more faults: rfctl check %s tells them all",
                s->config.mapping_path, n - LOGGED_FAULTS, s->config.mapping_path);
    }
    free(text);
}

static void apply_row(struct server *s, enum assoc_event_kind kind,
                      const struct mapping_row *row)
{
    server_assoc(s, &(struct assoc_event){
                        .kind = kind, .now = loop_now(), .vm = row->vm, .dp = row->dp});
}

static void apply(struct server *s, struct mapping *mapping)
{
    struct mapping before = s->mapping;
    struct mapping_diff diff;

    mapping_diff(&before, mapping, &diff);
    s->mapping = *mapping;
    span_configure(s); /* First: a row may become active at once. */
    ports_configure(s, &diff);
    for (size_t i = 0; i < diff.n_removed; i++) {
        apply_row(s, ASSOC_CONFIG_DEL, &diff.removed[i]);
    }
    for (size_t i = 0; i < diff.n_added; i++) {
        apply_row(s, ASSOC_CONFIG_ADD, &diff.added[i]);
    }
    plane_remap(s);
    journal_mapping(s, &diff, &before);
    journal_event(s, "mapping", "%s: %zu rows (%zu added, %zu removed, %zu unchanged)",
                  s->config.mapping_path, s->mapping.n_rows, diff.n_added,
                  diff.n_removed, diff.n_same);
    mapping_diff_uninit(&diff);
    mapping_uninit(&before);
}

bool config_load(struct server *s)
{
    struct buf csv = {0}, isl = {0}, faults = {0};
    struct mapping mapping;
    int error = read_file(s->config.mapping_path, &csv);
    int isl_error = s->config.isl_path ? read_file(s->config.isl_path, &isl) : 0;

    s->mapping_error[0] = '\0';
    if (error) {
        buf_printf(&faults, "%s: %s\n", s->config.mapping_path, strerror(error));
    }
    if (isl_error && isl_error != ENOENT) {
        buf_printf(&faults, "%s: %s\n", s->config.isl_path, strerror(isl_error));
    }
    const struct mapping_file csv_file = {s->config.mapping_path, csv.data, csv.len};
    const struct mapping_file isl_file = {s->config.isl_path, isl.data, isl.len};
    bool have_isl = s->config.isl_path && !isl_error;
    bool ok = !faults.len &&
              mapping_parse(&csv_file, have_isl ? &isl_file : NULL, &mapping, &faults);
    if (ok) {
        apply(s, &mapping);
        s->mapping_loaded_wall = loop_wall_now();
    } else {
        report_faults(s, &faults);
        /* The fault comes last: it names its file, and is the part that may be long. */
        journal_event(s, "mapping", "%s: %s",
                      s->mapping_loaded_wall ? "the mapping in force stays as it is"
                                             : "no mapping is applied",
                      s->mapping_error);
    }
    buf_uninit(&csv);
    buf_uninit(&isl);
    buf_uninit(&faults);
    return ok;
}

static bool is_ours(const struct config_watch *w, const char *name)
{
    const char *paths[] = {w->server->config.mapping_path, w->server->config.isl_path};

    for (int i = 0; i < 2; i++) {
        if (paths[i]) {
            const char *slash = strrchr(paths[i], '/');
            if (!strcmp(slash ? slash + 1 : paths[i], name)) {
                return true;
            }
        }
    }
    return false;
}

static void folder_changed(void *aux, int events)
{
    struct config_watch *w = aux;
    char bytes[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    while ((n = read(w->fd, bytes, sizeof bytes)) > 0) {
        for (char *p = bytes; p < bytes + n;) {
            const struct inotify_event *event = (void *)p;
            if (event->mask & IN_Q_OVERFLOW ||
                (event->len && is_ours(w, event->name))) {
                loop_timer_once(w->settle, SETTLE_MS);
            }
            p += sizeof *event + event->len;
        }
    }
}

static void settled(void *aux)
{
    struct config_watch *w = aux;
    config_load(w->server);
}

static void watch_folder_of(struct config_watch *w, const char *path)
{
    char copy[PATH_MAX];

    if (path) {
        str_copy(copy, path, sizeof copy);
        const char *folder = dirname(copy);
        if (inotify_add_watch(w->fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
            log_warn(
                "%s: cannot be watched for changes (%s); send SIGHUP after editing",
                folder, strerror(errno));
        }
    }
}

void config_watch_start(struct server *s)
{
    struct config_watch *w = xcalloc(1, sizeof *w);

    w->server = s;
    s->watch = w;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        log_warn(
            "the mapping is not watched for changes (%s); send SIGHUP after editing",
            strerror(errno));
        return;
    }
    w->settle = loop_timer_create(s->loop, settled, w);
    watch_folder_of(w, s->config.mapping_path);
    watch_folder_of(w, s->config.isl_path);
    w->watcher = loop_fd_create(s->loop, w->fd, LOOP_READ, folder_changed, w);
}

void config_watch_stop(struct server *s)
{
    struct config_watch *w = s->watch;

    if (w) {
        if (w->fd >= 0) {
            loop_fd_destroy(w->watcher);
            loop_timer_destroy(w->settle);
            close(w->fd);
        }
        free(w);
        s->watch = NULL;
    }
}
