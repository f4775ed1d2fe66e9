#include "core/csv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define QUOTE_MAX 24 /* Octets of a field that a message repeats. */

void csv_open(struct csv_reader *r, const char *name, const void *data, size_t n,
              struct buf *faults)
{
    static const char bom[] = "\xef\xbb\xbf";

    *r = (struct csv_reader){.name = name, .data = data, .n = n, .faults = faults};
    if (n >= 3 && !memcmp(data, bom, 3)) {
        r->data += 3;
        r->n -= 3;
    }
}

void csv_fault(struct csv_reader *r, unsigned column, const char *format, ...)
{
    va_list args;

    r->n_faults++;
    buf_printf(r->faults, "%s:%u:%u: ", r->name, r->line, column);
    va_start(args, format);
    buf_vprintf(r->faults, format, args);
    va_end(args);
    buf_printf(r->faults, "\n");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The field in quotation marks, cut if long, what does not print in hexadecimal. */
static const char *quote(const char *field, char buf[static 4 * QUOTE_MAX + 8])
{
    char *out = buf;
    size_t i;

    *out++ = '"';
    for (i = 0; field[i] && i < QUOTE_MAX; i++) {
        unsigned char c = (unsigned char)field[i];
        if (c >= 0x20 && c < 0x7f) {
            *out++ = (char)c;
        } else {
            out += sprintf(out, "\\x%02x", c);
        }
    }
    *out++ = '"';
    strcpy(out, field[i] ? "..." : "");
    return buf;
}

/* Copies the next line into text[], without its end; false after the last. */
static bool take_line(struct csv_reader *r, size_t *ret_len)
{
    if (r->pos >= r->n) {
        return false;
    }
    const char *start = r->data + r->pos;
    const char *end = memchr(start, '\n', r->n - r->pos);
    size_t len = end ? (size_t)(end - start) : r->n - r->pos;

    r->pos += len + (end ? 1 : 0);
    r->line++;
    if (len && start[len - 1] == '\r') {
        len--;
    }
    *ret_len = len;
    len = MIN(len, CSV_MAX_LINE);
    memcpy(r->text, start, len);
    r->text[len] = '\0';
    return true;
}

static bool check_line(struct csv_reader *r, size_t len)
{
    if (len > CSV_MAX_LINE) {
        csv_fault(r, CSV_MAX_LINE + 1,
                  "found a line of %zu octets, expected %d at most", len, CSV_MAX_LINE);
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)r->text[i];
        if (c == '\r') {
            csv_fault(r, (unsigned)i + 1,
                      "found a carriage return inside a line, expected lines that end "
                      "in LF or CR LF");
            return false;
        }
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            csv_fault(r, (unsigned)i + 1,
                      "found the control character 0x%02x, expected text", c);
            return false;
        }
    }
    return true;
}

/* Splits text[] at its commas and trims the fields. */
static bool split_line(struct csv_reader *r)
{
    char *p = r->text;

    r->n_fields = 0;
    p[strcspn(p, "#")] = '\0';
    for (;;) {
        char *end = p + strcspn(p, ",");
        bool last = !*end;
        char *next = end + 1;

        while (p < end && is_blank(*p)) {
            p++;
        }
        while (end > p && is_blank(end[-1])) {
            end--;
        }
        unsigned column = (unsigned)(p - r->text) + 1;
        if (r->n_fields == CSV_MAX_FIELDS) {
            csv_fault(r, column, "found more than %d fields", CSV_MAX_FIELDS);
            return false;
        }
        *end = '\0';
        r->fields[r->n_fields] = p;
        r->columns[r->n_fields] = column;
        r->columns[++r->n_fields] = (unsigned)(end - r->text) + 1;
        if (last) {
            return true;
        }
        p = next;
    }
}

bool csv_next(struct csv_reader *r)
{
    size_t len;

    while (take_line(r, &len)) {
        if (check_line(r, len) && split_line(r) && (r->n_fields > 1 || *r->fields[0])) {
            return true;
        }
    }
    return false;
}

static void put_names(struct buf *out, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%s%s", i ? "," : "", names[i]);
    }
}

size_t csv_expect_header(struct csv_reader *r, const char *const *names, size_t n_all,
                         size_t n_optional)
{
    size_t n = n_all - n_optional;
    char found[4 * QUOTE_MAX + 8];
    struct buf header = {.len = 0};

    put_names(&header, names, n);
    const char *line = buf_cstr(&header);
    if (!csv_next(r)) {
        r->line = 1;
        csv_fault(r, 1, "found no line with fields, expected the header line %s", line);
        buf_uninit(&header);
        return n;
    }
    while (n < n_all && n < r->n_fields && !strcmp(r->fields[n], names[n])) {
        n++;
    }
    for (size_t i = 0; i < MAX(n, r->n_fields); i++) {
        if (i >= r->n_fields) {
            csv_fault(
                r, r->columns[i],
                "found the end of the header line, expected \"%s\" next, as in %s",
                names[i], line);
            break;
        }
        if (i >= n) {
            csv_fault(r, r->columns[i],
                      "found %s in the header line, expected its end after %s",
                      quote(r->fields[i], found), line);
            break;
        }
        if (strcmp(r->fields[i], names[i])) {
            csv_fault(r, r->columns[i],
                      "found %s in the header line, expected \"%s\", as in %s",
                      quote(r->fields[i], found), names[i], line);
            break;
        }
    }
    buf_uninit(&header);
    return n;
}

bool csv_expect_fields(struct csv_reader *r, const char *const *names, size_t n)
{
    struct buf line = {.len = 0};

    if (r->n_fields == n) {
        return true;
    }
    put_names(&line, names, n);
    csv_fault(r, r->columns[MIN(n, r->n_fields)], "found %zu field%s, expected %zu: %s",
              r->n_fields, r->n_fields == 1 ? "" : "s", n, buf_cstr(&line));
    buf_uninit(&line);
    return false;
}

void csv_field_fault(struct csv_reader *r, size_t i, const char *name,
                     const char *expected)
{
    char found[4 * QUOTE_MAX + 8];

    if (!*r->fields[i]) {
        csv_fault(r, r->columns[i], "found nothing as %s, expected %s", name, expected);
    } else {
        csv_fault(r, r->columns[i], "found %s as %s, expected %s",
                  quote(r->fields[i], found), name, expected);
    }
}

bool csv_number(struct csv_reader *r, size_t i, const char *name, int base,
                uint64_t min, uint64_t max, uint64_t *ret)
{
    char expected[128];
    uint64_t v;

    if (parse_u64(r->fields[i], base, max, &v) && v >= min) {
        *ret = v;
        return true;
    }
    if (base == 16) {
        snprintf(expected, sizeof expected,
                 "a hexadecimal number from %" PRIx64 " to %" PRIx64, min, max);
    } else {
        snprintf(expected, sizeof expected,
                 "a decimal number from %" PRIu64 " to %" PRIu64, min, max);
    }
    csv_field_fault(r, i, name, expected);
    return false;
}
