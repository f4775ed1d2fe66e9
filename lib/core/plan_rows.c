/* Rows in the text of a mapping file: added, shown as a diff, taken out again. */

#include "core/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define CONTEXT 3 /* Lines before a change in a diff. */

void plan_rows_format(const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->n_routers; i++) {
        const struct plan_router *router = &plan->routers[i];
        bool named = false;

        for (size_t k = router->first; k < router->first + router->n; k++) {
            const struct plan_port *port = &plan->ports[k];
            if (!port->new_row) {
                continue;
            }
            if (!named) {
                buf_printf(out, "# %s, by rfctl plan\n", router->name);
                named = true;
            }
            buf_printf(out, "%012" PRIx64 ",%u,%u,%" PRIx64 ",%u\n", port->vm.vm_id,
                       port->vm.vm_port, port->dp.ct_id, port->dp.dp_id,
                       port->dp.dp_port);
        }
    }
}

struct line {
    const char *s;
    size_t n;    /* Without its end. */
    size_t full; /* With it. */
};

/* The line at `pos`; false at the end of the text. */
static bool line_at(const char *text, size_t n, size_t pos, struct line *ret)
{
    if (pos >= n) {
        return false;
    }
    const char *end = memchr(text + pos, '\n', n - pos);
    ret->s = text + pos;
    ret->full = end ? (size_t)(end - ret->s) + 1 : n - pos;
    ret->n = end ? ret->full - 1 : ret->full;
    if (ret->n && ret->s[ret->n - 1] == '\r') {
        ret->n--;
    }
    return true;
}

static size_t lines_of(const char *text, size_t n, struct line **ret)
{
    size_t count = 0, cap = 64;
    struct line line, *lines = xmalloc(cap * sizeof *lines);

    for (size_t pos = 0; line_at(text, n, pos, &line); pos += line.full) {
        if (count == cap) {
            cap *= 2;
            lines = xrealloc(lines, cap * sizeof *lines);
        }
        lines[count++] = line;
    }
    *ret = lines;
    return count;
}

void plan_rows_append(const void *file, size_t n, const char *rows, struct buf *out)
{
    const char *end = "\n";
    struct line line;

    if (line_at(file, n, 0, &line) && line.full == line.n + 2) {
        end = "\r\n";
    }
    buf_put(out, file, n);
    if (n && ((const char *)file)[n - 1] != '\n') {
        buf_put(out, end, strlen(end));
    }
    for (size_t pos = 0, len = strlen(rows); line_at(rows, len, pos, &line);
         pos += line.full) {
        buf_put(out, line.s, line.n);
        buf_put(out, end, strlen(end));
    }
}

static bool line_equal(const struct line *a, const struct line *b)
{
    return a->n == b->n && !memcmp(a->s, b->s, a->n);
}

void plan_rows_remove(const void *file, size_t n, const char *rows, struct buf *out,
                      struct buf *missing)
{
    struct line *lines, *wanted;
    const size_t n_lines = lines_of(file, n, &lines);
    const size_t n_wanted = lines_of(rows, strlen(rows), &wanted);
    bool *gone = xcalloc(n_lines + 1, sizeof *gone);
    size_t from = n_lines; /* Usually they are still together, as they were put. */

    for (size_t w = n_wanted; w-- > 0;) {
        size_t i = from;
        while (i > 0 && (gone[i - 1] || !line_equal(&lines[i - 1], &wanted[w]))) {
            i--;
        }
        if (!i) {
            i = n_lines;
            while (i > from &&
                   (gone[i - 1] || !line_equal(&lines[i - 1], &wanted[w]))) {
                i--;
            }
            i = i > from ? i : 0;
        }
        if (i) {
            gone[i - 1] = true;
            from = i - 1;
        } else {
            buf_printf(missing, "%.*s\n", (int)wanted[w].n, wanted[w].s);
        }
    }
    for (size_t i = 0; i < n_lines; i++) {
        if (!gone[i]) {
            buf_put(out, lines[i].s, lines[i].full);
        }
    }
    free(lines);
    free(wanted);
    free(gone);
}

void plan_rows_diff(const char *name, const void *file, size_t n, const char *rows,
                    struct buf *out)
{
    struct line *lines, *added;
    const size_t n_lines = lines_of(file, n, &lines);
    const size_t n_added = lines_of(rows, strlen(rows), &added);
    const size_t first = n_lines > CONTEXT ? n_lines - CONTEXT : 0;

    if (n_added) {
        buf_printf(out, "--- %s\n+++ %s\n@@ -%zu,%zu +%zu,%zu @@\n", name, name,
                   n_lines ? first + 1 : 0, n_lines - first, first + 1,
                   n_lines - first + n_added);
    }
    for (size_t i = first; i < n_lines && n_added; i++) {
        buf_printf(out, " %.*s\n", (int)lines[i].n, lines[i].s);
    }
    for (size_t i = 0; i < n_added; i++) {
        buf_printf(out, "+%.*s\n", (int)added[i].n, added[i].s);
    }
    free(lines);
    free(added);
}
