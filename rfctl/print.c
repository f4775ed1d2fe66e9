#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/util.h"
#include "net/loop.h"
#include "sort.h"

#define MAX_COLUMNS 20
#define SORT_CELLS 3

struct column {
    char *key, *title;
    int width;
    bool number;
    bool hidden; /* Says the same in every row, see hide_columns(). */
};

struct printer {
    bool json;
    struct column columns[MAX_COLUMNS];
    int n_columns;
    char **cells; /* n_columns for each row. */
    size_t n_rows, cap_rows;
    struct buf rows_json;
};

const char *print_age(int64_t wall_ms, char buf[static 32])
{
    long long s = (loop_wall_now() - wall_ms) / 1000;

    if (s < 0) {
        s = 0;
    }
    if (s < 60) {
        snprintf(buf, 32, "%lld s", s);
    } else if (s < 3600) {
        snprintf(buf, 32, "%lld min %02lld s", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(buf, 32, "%lld h %02lld min", s / 3600, s / 60 % 60);
    } else {
        snprintf(buf, 32, "%lld d %02lld h", s / 86400, s / 3600 % 24);
    }
    return buf;
}

void print_clock(int64_t wall_ms, struct buf *out)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[32];

    localtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%H:%M:%S", &tm);
    buf_printf(out, "%s.%03d", text, (int)(wall_ms % 1000));
}

/* Ids of datapaths without the zeros in front: "0x5". */
static bool short_id(const char *text, struct buf *out)
{
    uint64_t id;

    if (strlen(text) != 18 || strncmp(text, "0x", 2) ||
        !parse_u64(text + 2, 16, UINT64_MAX, &id)) {
        return false;
    }
    buf_printf(out, "0x%" PRIx64, id);
    return true;
}

/* As people read it: a VM is its MAC, a moment is its age (an event's: the time). */
static char *cell_text(const char *key, const bson_iter_t *it)
{
    struct buf out = {0};
    char text[32];
    uint64_t id;

    switch (bson_iter_type(it)) {
    case BSON_TYPE_UTF8:
        if (!strncmp(key, "vm", 2) && id_parse(bson_iter_utf8(it, NULL), &id)) {
            buf_printf(&out, "%s", eth_format(eth_from_u64(id), text));
        } else if (!short_id(bson_iter_utf8(it, NULL), &out)) {
            const char *words = bson_iter_utf8(it, NULL);
            buf_printf(&out, "%s", *words ? words : "-");
        }
        break;
    case BSON_TYPE_DATE_TIME:
        if (!strcmp(key, "time")) {
            print_clock(bson_iter_date_time(it), &out);
        } else {
            buf_printf(&out, "%s", print_age(bson_iter_date_time(it), text));
        }
        break;
    case BSON_TYPE_BOOL:
        buf_printf(&out, bson_iter_bool(it) ? "yes" : "no");
        break;
    case BSON_TYPE_NULL:
        buf_printf(&out, "-");
        break;
    default:
        buf_printf(&out, "%" PRId64, bson_iter_as_int64(it));
    }
    char *s = xstrdup(buf_cstr(&out));
    buf_uninit(&out);
    return s;
}

struct printer *printer_create(bool json)
{
    struct printer *p = xcalloc(1, sizeof *p);
    p->json = json;
    return p;
}

/* Columns on a terminal, not octets. */
static int text_width(const char *s)
{
    int n = 0;
    for (; *s; s++) {
        n += (*s & 0xc0) != 0x80;
    }
    return n;
}

static void take_columns(struct printer *p, const bson_t *answer)
{
    bson_iter_t it, array, item;

    if (p->n_columns || !bson_iter_init_find(&it, answer, "columns") ||
        !bson_iter_recurse(&it, &array)) {
        return;
    }
    while (p->n_columns < MAX_COLUMNS && bson_iter_next(&array)) {
        struct column *c = &p->columns[p->n_columns];
        if (!bson_iter_recurse(&array, &item)) {
            continue;
        }
        while (bson_iter_next(&item)) {
            if (BSON_ITER_HOLDS_UTF8(&item)) {
                char **s = !strcmp(bson_iter_key(&item), "key") ? &c->key : &c->title;
                free(*s);
                *s = xstrdup(bson_iter_utf8(&item, NULL));
            }
        }
        if (c->key && c->title) {
            c->width = text_width(c->title);
            p->n_columns++;
        }
    }
}

static void take_row(struct printer *p, bson_iter_t *row)
{
    char **cells;

    if (p->n_rows == p->cap_rows) {
        p->cap_rows = MAX(p->cap_rows * 2, 64);
        p->cells = xrealloc(p->cells, p->cap_rows * MAX_COLUMNS * sizeof *p->cells);
    }
    cells = &p->cells[p->n_rows++ * MAX_COLUMNS];
    for (int i = 0; i < p->n_columns; i++) {
        struct column *c = &p->columns[i];
        bson_iter_t it = *row, value;

        if (bson_iter_recurse(row, &it) &&
            bson_iter_find_descendant(&it, c->key, &value)) {
            cells[i] = cell_text(c->key, &value);
            c->number |= bson_iter_type(&value) == BSON_TYPE_INT64;
        } else {
            cells[i] = xstrdup("-");
        }
        c->width = MAX(c->width, text_width(cells[i]));
    }
}

void printer_add(struct printer *p, const bson_t *answer, int64_t *ret_next)
{
    bson_iter_t it, row;

    take_columns(p, answer);
    if (bson_iter_init_find(&it, answer, "rows") && bson_iter_recurse(&it, &row)) {
        while (bson_iter_next(&row)) {
            if (p->json) {
                buf_printf(&p->rows_json, p->rows_json.len ? ",\n " : "");
                print_json_value(&row, &p->rows_json);
            } else {
                take_row(p, &row);
            }
        }
    }
    *ret_next = bson_iter_init_find(&it, answer, "next") ? bson_iter_as_int64(&it) : -1;
}

/* Most networks have one controller and one RFVS; then a column that says so in every
 * row only makes the table wider than a terminal. */
static void hide_columns(struct printer *p)
{
    static const struct {
        const char *key, *usual;
    } often[] = {{"ct_id", "0"}, {"vs_id", "0x7266767300000000"}};

    for (int i = 0; i < p->n_columns; i++) {
        for (size_t k = 0; k < ARRAY_SIZE(often); k++) {
            bool hidden = !strcmp(p->columns[i].key, often[k].key);
            for (size_t row = 0; row < p->n_rows && hidden; row++) {
                const char *cell = p->cells[row * MAX_COLUMNS + (size_t)i];
                hidden = !strcmp(cell, often[k].usual) || !strcmp(cell, "-");
            }
            p->columns[i].hidden |= hidden;
        }
    }
}

static void print_cells(const struct printer *p, char *const *cells)
{
    int n = p->n_columns;

    while (n > 0 && p->columns[n - 1].hidden) {
        n--;
    }
    for (int i = 0; i < n; i++) {
        const struct column *c = &p->columns[i];
        int pad = c->width - text_width(cells[i]);
        bool last = i == n - 1;

        if (c->hidden) {
            continue;
        }
        printf("%*s%s%*s%s", c->number ? pad : 0, "", cells[i],
               c->number || last ? 0 : pad, "", last ? "\n" : "  ");
    }
}

void printer_print(struct printer *p)
{
    char *titles[MAX_COLUMNS];

    if (p->json) {
        printf("[%s]\n", p->rows_json.len ? buf_cstr(&p->rows_json) : "");
    } else {
        for (int i = 0; i < p->n_columns; i++) {
            titles[i] = p->columns[i].title;
        }
        hide_columns(p);
        print_cells(p, titles);
        for (size_t i = 0; i < p->n_rows; i++) {
            print_cells(p, &p->cells[i * MAX_COLUMNS]);
        }
    }
}

static int compare_rows(const void *a, const void *b)
{
    char *const *x = a, *const *y = b;
    int d = 0;

    for (int i = 0; !d && i < SORT_CELLS; i++) {
        d = compare_cells(x[i], y[i]);
    }
    return d;
}

void printer_sort(struct printer *p)
{
    if (p->n_columns >= SORT_CELLS && p->n_rows) {
        qsort(p->cells, p->n_rows, MAX_COLUMNS * sizeof *p->cells, compare_rows);
    }
}

void printer_destroy(struct printer *p)
{
    for (size_t i = 0; i < p->n_rows; i++) {
        for (int k = 0; k < p->n_columns; k++) {
            free(p->cells[i * MAX_COLUMNS + (size_t)k]);
        }
    }
    for (int i = 0; i < p->n_columns; i++) {
        free(p->columns[i].key);
        free(p->columns[i].title);
    }
    free(p->cells);
    buf_uninit(&p->rows_json);
    free(p);
}

static void print_items(bson_iter_t *it, int indent)
{
    while (bson_iter_next(it)) {
        bson_iter_t sub;
        if (BSON_ITER_HOLDS_DOCUMENT(it) && bson_iter_recurse(it, &sub)) {
            printf("%*s%s\n", indent, "", bson_iter_key(it));
            print_items(&sub, indent + 2);
        } else {
            char *text = cell_text(bson_iter_key(it), it);
            bool moment = BSON_ITER_HOLDS_DATE_TIME(it);
            printf("%*s%-*s  %s%s\n", indent, "", 36 - indent, bson_iter_key(it), text,
                   moment ? " ago" : "");
            free(text);
        }
    }
}

void print_record(const bson_t *answer, bool json)
{
    bson_iter_t it, sub;
    struct buf out = {0};

    if (!bson_iter_init_find(&it, answer, "record") || !bson_iter_recurse(&it, &sub)) {
        return;
    }
    if (json) {
        print_json_value(&it, &out);
        printf("%s\n", buf_cstr(&out));
        buf_uninit(&out);
    } else {
        print_items(&sub, 0);
    }
}

static const char *text_of(const bson_iter_t *doc, const char *key)
{
    bson_iter_t it;

    return bson_iter_recurse(doc, &it) && bson_iter_find(&it, key) &&
                   BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : "";
}

static const char *mark_of(const bson_iter_t *step)
{
    bson_iter_t it;

    if (!bson_iter_recurse(step, &it) || !bson_iter_find(&it, "ok") ||
        !BSON_ITER_HOLDS_BOOL(&it)) {
        return "?";
    }
    return bson_iter_bool(&it) ? "✓" : "✗";
}

void print_steps(const bson_t *answer, bool json)
{
    bson_iter_t it, step;
    struct buf out = {0};

    if (json) {
        print_json(answer, false, &out);
        printf("%s\n", buf_cstr(&out));
        buf_uninit(&out);
        return;
    }
    if (bson_iter_init_find(&it, answer, "steps") && bson_iter_recurse(&it, &step)) {
        while (bson_iter_next(&step)) {
            const char *fix = text_of(&step, "fix");
            printf("%s %s %-14s %s\n", mark_of(&step), text_of(&step, "step"),
                   text_of(&step, "name"), text_of(&step, "text"));
            if (*fix) {
                printf("      -> %s\n", fix);
            }
        }
    }
    if (bson_iter_init_find(&it, answer, "verdict") && BSON_ITER_HOLDS_UTF8(&it)) {
        printf("%s\n", bson_iter_utf8(&it, NULL));
    }
}
