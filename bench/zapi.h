#ifndef ZAPI_H
#define ZAPI_H 1

/* A routing daemon's end of zebra's API, as FRR 8 speaks it (ZAPI version 6): just
 * enough to give zebra routes and to hear when it has installed them. */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct zapi;

/* Connects to zebra's socket.  notify: zebra tells of each route that it installed or
 * removed, and withdraws our routes when we close.  Without it they stay. */
struct zapi *zapi_open(const char *path, bool notify);
void zapi_close(struct zapi *);

/* Queue a route; `gateway` in host order. */
void zapi_add(struct zapi *, const struct ip_prefix *, uint32_t gateway,
              uint32_t ifindex);
void zapi_delete(struct zapi *, const struct ip_prefix *);

/* Writes what is queued, and reads until zebra has sent n notices since zapi_open()
 * (0: until all is written).  Returns the wall clock of the last one. */
int64_t zapi_run(struct zapi *, uint32_t n_notices);

#endif
