#ifndef RFCLIENT_ROUTES_H
#define RFCLIENT_ROUTES_H 1

/* The kernel's routes, compact (48 octets each; there may be a million), and which of
 * them rfserver has not been told.
 *
 * One prefix may have several routes of different metrics: all are kept, the best
 * usable one is told.  Usable: not unicast, or a hop over a VM port that is up; so a
 * default route over the management interface hides none over a VM port, and a port
 * that is taken down takes its routes with it at once, before the kernel has removed
 * them.
 *
 * A port that loses its carrier keeps them: rfserver knows of the carrier, and answers
 * for all routes over the port together, until the routing suite has said what is to
 * become of each.  Only where a prefix has another route, over a port with carrier,
 * that one is told.
 *
 * What is not told is a mark on the prefix and its place in a queue, so that a prefix
 * that changes a thousand times before it can be sent is sent once.  Changes that are
 * urgent (urgency.h) have a queue of their own.
 *
 * Events cannot always tell the kernel's state: routes with the same prefix and metric
 * queue up behind each other (NLM_F_APPEND), and only the first counts.  Where events
 * are not enough the functions here ask for a verifying dump. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm.h"
#include "hops.h"
#include "netlink/rtnl.h"

struct route_table;

struct route_table *route_table_create(void);
void route_table_destroy(struct route_table *);

/* Applies an event of kind RTNL_ROUTE4 or RTNL_ROUTE6.  Returns true if only a dump of
 * that kind can tell the state now.  `now`, here and below: monotonic ms. */
bool route_table_event(struct route_table *, const struct rtnl_msg *, int64_t now);

/* An event or a dump will name this prefix soon. */
void route_table_prefetch(const struct route_table *, const struct ip_prefix *);

/* A dump: begin, each route in it, end.  When it was complete, routes of that family
 * that it did not name are removed.  No events in between. */
void route_table_dump_begin(struct route_table *, enum ip_version);
void route_table_dump_route(struct route_table *, const struct rtnl_route *,
                            int64_t now);
void route_table_dump_end(struct route_table *, enum ip_version, bool complete,
                          int64_t now);

/* The interface's VM port changed, or it was taken up or down: its routes are to be
 * told again. */
void route_table_interface_changed(struct route_table *, uint32_t ifindex);
/* Its carrier came or went: the best one among several routes may be another one. */
void route_table_carrier_changed(struct route_table *, uint32_t ifindex);

/* Nothing has been told: everything is, in the order of the table. */
void route_table_resync(struct route_table *);

/* The VM port of an interface that is up, or 0; and whether it has carrier. */
typedef uint32_t route_port_fn(void *aux, uint32_t ifindex, bool *ret_carrier);

/* Takes the next prefix to tell, of the urgent ones or of the others.  Returns false if
 * there is none; otherwise *ret_remove says whether rfserver is to forget ret->prefix
 * or to set all of *ret. */
bool route_table_pop(struct route_table *, bool urgent, route_port_fn *, void *aux,
                     struct vm_route *ret, bool *ret_remove);
/* If the prefix is marked, it becomes urgent; false if not, or if too many are. */
bool route_table_hurry(struct route_table *, const struct ip_prefix *);

size_t route_table_pending(const struct route_table *); /* Prefixes marked. */
bool route_table_hurries(const struct route_table *);   /* One is, as urgent. */
/* Of these, those that route_table_resync() marked, and that were not told since. */
size_t route_table_resyncing(const struct route_table *);
size_t route_table_count(const struct route_table *); /* Routes the kernel has. */
const struct hop_sets *route_table_hops(const struct route_table *);

#endif
