#ifndef RFCTL_PRINT_H
#define RFCTL_PRINT_H 1

/* Prints rfserver's answers: aligned for people, JSON for programs. */

#include <bson/bson.h>

#include "base/buf.h"

/* Appends a value as JSON; dates as "2026-01-02T03:04:05.678Z". */
void print_json_value(const bson_iter_t *, struct buf *out);
void print_json(const bson_t *, bool is_array, struct buf *out);

/* A table that comes in several answers.  The rows are kept until printer_print(), so
 * that columns are aligned over all of them. */
struct printer;
struct printer *printer_create(bool json);
/* One answer; *ret_next is the offset of the rest, or -1. */
void printer_add(struct printer *, const bson_t *answer, int64_t *ret_next);
/* Orders the rows by their first cells (not those of JSON). */
void printer_sort(struct printer *);
void printer_print(struct printer *);
void printer_destroy(struct printer *);

/* {item: value, section: {item: value}} */
void print_record(const bson_t *, bool json);
/* The steps of `why`. */
void print_steps(const bson_t *, bool json);

/* "13:04:05.678" of the local day. */
void print_clock(int64_t wall_ms, struct buf *out);
/* "3 h 12 min", for a moment that long ago. */
const char *print_age(int64_t wall_ms, char buf[static 32]);

#endif
