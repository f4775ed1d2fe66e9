/* Makes what is proposed, and takes it back.
 *
 * Each apply leaves a folder N in plan-dir before it does anything else, so that it can
 * be taken back however far it came: `mapping` (the path), `rows` (what was added),
 * `backup` (where the file before is) and a file for each container, NNNN-NAME.json.
 * Containers come first, since without rows they harm nobody; then all rows at once. */

#include "plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "core/mapping.h"
#include "files.h"

struct deed {
    const struct rfctl *ctl;
    const char *script, *dir; /* plan-script, plan-dir. */
    int lock;
    char *folder; /* Of this apply. */
    char **files; /* Of containers, in order. */
    size_t n_files;
    struct buf rows, before, after; /* `before` and `after`: the mapping file. */
    char *mapping, *backup;
};

static bool complain(const char *what)
{
    fprintf(stderr, "rfctl: %s: %s\n", what, strerror(errno));
    return false;
}

static bool deed_open(struct deed *d, const struct rfctl *ctl, const struct options *o)
{
    *d = (struct deed){.ctl = ctl,
                       .script = options_get(o, "plan-script"),
                       .dir = options_get(o, "plan-dir"),
                       .lock = -1};
    if (!d->script) {
        fprintf(stderr,
                "rfctl: %s: expected option plan-script in section [rfctl]: what makes "
                "containers\n",
                ctl->config);
        return false;
    }
    if (mkdir(d->dir, 0700) && errno != EEXIST) {
        return complain(d->dir);
    }
    d->lock = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->lock < 0 || flock(d->lock, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK) {
            fprintf(stderr, "rfctl: %s: another rfctl is at work\n", d->dir);
            return false;
        }
        return complain(d->dir);
    }
    return true;
}

static void deed_close(struct deed *d)
{
    if (d->lock >= 0) {
        close(d->lock);
    }
    for (size_t i = 0; i < d->n_files; i++) {
        free(d->files[i]);
    }
    free(d->files);
    free(d->folder);
    free(d->mapping);
    free(d->backup);
    buf_uninit(&d->rows);
    buf_uninit(&d->before);
    buf_uninit(&d->after);
}

/* The number of the last apply that stands; 0: none. */
static unsigned last_number(const struct deed *d)
{
    DIR *dir = opendir(d->dir);
    const struct dirent *entry;
    unsigned last = 0;
    uint64_t number;

    while (dir && (entry = readdir(dir))) {
        if (parse_u64(entry->d_name, 10, 1000000, &number) && number > last) {
            last = (unsigned)number;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return last;
}

static bool write_in(const struct deed *d, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", d->folder, name);
    bool ok = file_write(path, text, strlen(text));

    free(path);
    return ok;
}

static void add_file(struct deed *d, char *path)
{
    d->files = xrealloc(d->files, (d->n_files + 1) * sizeof *d->files);
    d->files[d->n_files++] = path;
}

/* FILE.~1~, or the next that is free. */
static char *free_backup(const char *mapping)
{
    char *real = realpath(mapping, NULL);

    for (unsigned i = 1;; i++) {
        char *path = xasprintf("%s.~%u~", real ? real : mapping, i);
        if (access(path, F_OK)) {
            free(real);
            return path;
        }
        free(path);
    }
}

/* All there is to know for taking it back. */
static bool record(struct deed *d, const struct plan *plan)
{
    bool ok = true;

    d->folder = xasprintf("%s/%u", d->dir, last_number(d) + 1);
    d->backup = free_backup(d->mapping);
    if (mkdir(d->folder, 0700)) {
        return complain(d->folder);
    }
    for (size_t i = 0; i < plan->n_routers && ok; i++) {
        struct buf json = {0};
        plan_router_json(plan, &plan->routers[i], &json);
        add_file(d, xasprintf("%s/%04zu-%s.json", d->folder, i, plan->routers[i].name));
        ok = file_write(d->files[i], json.data, json.len);
        buf_uninit(&json);
    }
    return ok && write_in(d, "rows", buf_cstr(&d->rows)) &&
           write_in(d, "backup", d->backup) && write_in(d, "mapping", d->mapping);
}

/* `after` must be a good mapping, and `before` the one in force. */
static bool check_mappings(struct deed *d)
{
    struct buf csv = {0}, isl = {0}, faults = {0};
    struct mapping running = {0}, before = {0}, after = {0};
    struct mapping_diff diff = {0};
    bool ok = false;

    if (ask_mapping(d->ctl, &csv, &isl)) {
        const struct mapping_file in_force = {"rfserver", csv.data, csv.len};
        const struct mapping_file isl_file = {"rfserver", isl.data, isl.len};
        const struct mapping_file old = {d->mapping, d->before.data, d->before.len};
        const struct mapping_file new = {d->mapping, d->after.data, d->after.len};
        ok = mapping_parse(&in_force, &isl_file, &running, &faults) &&
             mapping_parse(&old, &isl_file, &before, &faults) &&
             mapping_parse(&new, &isl_file, &after, &faults);
        fputs(buf_cstr(&faults), stderr);
        mapping_diff(&running, &before, &diff);
        if (ok && (diff.n_added || diff.n_removed)) {
            fprintf(stderr,
                    "rfctl: %s is not what rfserver has read: expected no change since "
                    "the plan was computed\n",
                    d->mapping);
            ok = false;
        }
        mapping_diff_uninit(&diff);
    } else {
        fprintf(stderr, "rfctl: no answer from rfserver\n");
    }
    mapping_uninit(&running);
    mapping_uninit(&before);
    mapping_uninit(&after);
    buf_uninit(&csv);
    buf_uninit(&isl);
    buf_uninit(&faults);
    return ok;
}

/* The last n containers of those that were to be made, the last one first. */
static bool unmake(struct deed *d, size_t n)
{
    bool ok = true;

    for (size_t i = n; i-- > 0;) {
        ok = plan_script(d->script, "unmake", d->files[i]) && ok;
    }
    return ok;
}

static bool make(struct deed *d)
{
    size_t n = 0;
    bool ok = true;

    while (n < d->n_files && ok) {
        ok = plan_script(d->script, "make", d->files[n++]);
    }
    ok = ok && file_replace(d->mapping, &d->before, &d->after, d->backup);
    if (!ok && unmake(d, n)) {
        folder_remove(d->folder);
        fprintf(stderr, "rfctl: nothing was applied; what was made is undone\n");
    } else if (!ok) {
        fprintf(stderr, "rfctl: nothing was applied; `rfctl plan --revert` tries again "
                        "to undo what was made\n");
    }
    return ok;
}

/* It would see for itself, a little later. */
static void reload(const struct rfctl *ctl)
{
    struct buf body = {0};
    bson_t doc;

    ask(ctl, "reload", NULL, 0, &body, &doc);
    buf_uninit(&body);
}

static int apply(struct deed *d, const struct plan_answer *a)
{
    d->mapping = xstrdup(a->mapping);
    plan_rows_format(&a->plan, &d->rows);
    if (!file_read(d->mapping, &d->before)) {
        return RFCTL_ERROR;
    }
    plan_rows_append(d->before.data, d->before.len, buf_cstr(&d->rows), &d->after);
    if (!check_mappings(d) || !record(d, &a->plan) || !make(d)) {
        return RFCTL_ERROR;
    }
    reload(d->ctl);
    printf("%s: %zu rows added, the file before is %s; %zu containers. `rfctl plan "
           "--revert` takes it back.\n",
           d->mapping, plan_count_rows(&a->plan), d->backup, a->plan.n_routers);
    return RFCTL_OK;
}

int plan_apply(const struct rfctl *ctl, const struct options *o, const char *id)
{
    struct plan_answer a;
    struct deed d;
    int status = plan_ask(ctl, &a);

    if (status) {
        return status;
    }
    if (id && strcmp(id, a.id)) {
        fprintf(
            stderr,
            "rfctl: plan %s is not what is proposed now, which is %s: look at it by "
            "`rfctl plan`\n",
            id, a.id);
        status = RFCTL_ERROR;
    } else if (!a.plan.n_ports) {
        printf("nothing to propose\n");
    } else {
        status = deed_open(&d, ctl, o) ? apply(&d, &a) : RFCTL_ERROR;
        deed_close(&d);
    }
    plan_answer_uninit(&a);
    return status;
}

/* Taking it back. */

static char *read_in(const struct deed *d, const char *name)
{
    char *path = xasprintf("%s/%s", d->folder, name), *text = NULL;
    struct buf content = {0};

    if (!access(path, F_OK) && file_read(path, &content)) {
        text = xstrdup(buf_cstr(&content));
    }
    buf_uninit(&content);
    free(path);
    return text;
}

static int is_json(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && !strcmp(dot, ".json");
}

static void recall(struct deed *d)
{
    struct dirent **entries = NULL;
    int n = scandir(d->folder, &entries, is_json, alphasort);
    char *rows = read_in(d, "rows");

    for (int i = 0; i < n; i++) {
        add_file(d, xasprintf("%s/%s", d->folder, entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
    buf_printf(&d->rows, "%s", rows ? rows : "");
    buf_cstr(&d->rows); /* Terminated. */
    free(rows);
    d->backup = read_in(d, "backup");
    d->mapping = read_in(d, "mapping");
}

/* Whether the mapping file is what the apply has left: then the file before is what
 * there will be, octet by octet. */
static bool is_untouched(const struct deed *d, const struct buf *old)
{
    struct buf made = {0};

    plan_rows_append(old->data, old->len, (const char *)d->rows.data, &made);
    bool same =
        made.len == d->before.len && !memcmp(made.data, d->before.data, made.len);
    buf_uninit(&made);
    return same;
}

/* They are out: a revert that is repeated does not look for them again. */
static void forget_rows(const struct deed *d)
{
    char *path = xasprintf("%s/rows", d->folder);

    unlink(path);
    free(path);
}

static bool take_rows_out(struct deed *d)
{
    struct buf old = {0}, missing = {0};
    bool has_backup = !access(d->backup, F_OK);

    if (!file_read(d->mapping, &d->before) ||
        (has_backup && !file_read(d->backup, &old))) {
        buf_uninit(&old);
        return false;
    }
    bool untouched = has_backup && is_untouched(d, &old);
    if (untouched) {
        buf_put(&d->after, old.data, old.len);
    } else {
        plan_rows_remove(d->before.data, d->before.len, buf_cstr(&d->rows), &d->after,
                         &missing);
    }
    if (missing.len) {
        printf("%s: had been taken out before:\n%s", d->mapping, buf_cstr(&missing));
    }
    bool ok = file_replace(d->mapping, &d->before, &d->after, NULL);
    if (ok) {
        unlink(d->backup);
        forget_rows(d);
        printf("%s: %s\n", d->mapping,
               untouched ? "as it was before" : "the rows are out, other changes stay");
    }
    buf_uninit(&old);
    buf_uninit(&missing);
    return ok;
}

static int revert(struct deed *d)
{
    const unsigned last = last_number(d);

    if (!last) {
        fprintf(stderr, "rfctl: %s: nothing that was applied is left to revert\n",
                d->dir);
        return RFCTL_ERROR;
    }
    d->folder = xasprintf("%s/%u", d->dir, last);
    recall(d);
    /* `mapping` is written last: without it nothing was done. */
    if (d->mapping && d->backup && d->rows.len && !take_rows_out(d)) {
        return RFCTL_ERROR;
    }
    reload(d->ctl);
    if (!unmake(d, d->n_files) || !folder_remove(d->folder)) {
        return RFCTL_ERROR;
    }
    reload(d->ctl); /* Keys of containers that are no more. */
    printf("%zu containers as they were before\n", d->n_files);
    return RFCTL_OK;
}

int plan_revert(const struct rfctl *ctl, const struct options *o)
{
    struct deed d;
    int status = deed_open(&d, ctl, o) ? revert(&d) : RFCTL_ERROR;

    deed_close(&d);
    return status;
}
