#ifndef CORE_CSV_H
#define CORE_CSV_H 1

/* Lines of comma-separated fields, from bytes in memory, as rfserver.csv has them.
 *
 * Accepted: LF or CR LF, also no line end after the last line; a UTF-8 byte order mark
 * at the beginning; blank lines; "#" begins a comment, also after the fields; blanks
 * and tabs around a field.  There is no quoting.  Not accepted: NUL and other control
 * characters, lines over CSV_MAX_LINE octets, more than CSV_MAX_FIELDS fields; such a
 * line is reported and skipped.
 *
 * Faults are lines "file:line:column: what was found, what was expected"; columns count
 * octets from 1, a byte order mark not counted. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define CSV_MAX_LINE 1024
#define CSV_MAX_FIELDS 16

struct csv_reader {
    const char *name; /* The file, for messages; the caller's. */
    const char *data; /* The caller's. */
    size_t n;
    size_t pos;
    unsigned line; /* That of the fields. */
    unsigned n_faults;
    struct buf *faults; /* The caller's. */

    char text[CSV_MAX_LINE + 1]; /* The present line, fields terminated. */
    char *fields[CSV_MAX_FIELDS];
    unsigned columns[CSV_MAX_FIELDS + 1]; /* The last one: where the line ended. */
    size_t n_fields;
};

void csv_open(struct csv_reader *, const char *name, const void *data, size_t n,
              struct buf *faults);

/* Reads the next line that has fields; false at the end. */
bool csv_next(struct csv_reader *);

/* Reports a fault of the present line at a column. */
void csv_fault(struct csv_reader *, unsigned column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads the header line, which must consist of these n names, of which the last
 * n_optional may be missing; a fault names the first column that differs, or says that
 * the file is empty.  Returns how many columns the file has. */
size_t csv_expect_header(struct csv_reader *, const char *const *names, size_t n,
                         size_t n_optional);

/* The present line must have n fields, named so; a fault otherwise. */
bool csv_expect_fields(struct csv_reader *, const char *const *names, size_t n);

/* Reports "found "..." as NAME, expected EXPECTED" for field i. */
void csv_field_fault(struct csv_reader *, size_t i, const char *name,
                     const char *expected);

/* Field i as a number in [min, max], decimal (base 10) or hexadecimal (base 16, "0x"
 * optional); a fault otherwise. */
bool csv_number(struct csv_reader *, size_t i, const char *name, int base, uint64_t min,
                uint64_t max, uint64_t *ret);

#endif
