#ifndef RFSERVER_CTL_H
#define RFSERVER_CTL_H 1

/* Answers to rfctl: BSON documents of two shapes, so that rfctl needs to know nothing
 * of what it prints.
 *
 *   table   {columns: [{key, title}], rows: [{key: value}], next: N}
 *           `next` only if there are more rows: ask again with it as offset.
 *   record  {record: {item: value, section: {item: value}}} */

#include <bson/bson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/keys.h"
#include "server.h"

#define CTL_REPLY_ROOM (160 << 10) /* Octets of rows in one reply. */

struct table {
    bson_t *doc;
    bson_t rows, row;
    uint64_t offset; /* Rows before this one were sent already. */
    uint64_t n;      /* Rows so far, those included. */
    bool full;
    uint64_t next;
};

/* `columns` is "key:TITLE,key:TITLE". */
void table_begin(struct table *, bson_t *doc, const char *columns, uint64_t offset);
void table_end(struct table *);
/* False: this row is not wanted in this reply; go on with the next one. */
bool table_row(struct table *);
void table_row_end(struct table *);
void table_text(struct table *, const char *key, const char *value);
void table_format(struct table *, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void table_number(struct table *, const char *key, uint64_t value);
void table_id(struct table *, const char *key, uint64_t id);
void table_age(struct table *, const char *key, int64_t since); /* Monotonic ms. */
void table_null(struct table *, const char *key);
void table_bool(struct table *, const char *key, bool value);

/* A VM by what an operator may call it: MAC, vm_id in hexadecimal, or the host name in
 * its client's name. */
bool ctl_vm_parse(struct server *, const char *text, uint64_t *ret_vm_id);
bool ctl_dp_parse(const char *text, uint64_t *ret_dp_id);

/* A question: its arguments, where to put the answer.  Returns the status; with one
 * that is not 0 the document has `error`. */
struct ctl_request {
    struct server *server;
    const struct wire_strs *args;
    uint64_t offset;
    bson_t *doc;
};
typedef int ctl_fn(struct ctl_request *);

int ctl_error(struct ctl_request *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

ctl_fn show_associations, show_links, show_ports, show_routes, show_neighbors;
ctl_fn show_flows, show_datapaths, show_clients, show_events, show_status;
ctl_fn ctl_why, ctl_plan;

#endif
