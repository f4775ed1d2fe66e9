#ifndef RFCLIENT_HOPS_H
#define RFCLIENT_HOPS_H 1

/* Sets of next hops, each kept once, however many routes use it.  A container has very
 * many routes and very few neighbours, so that a route needs 4 octets for its hops. */

#include <stdint.h>

#include "netlink/rtnl.h"

struct hop_sets;

struct hop_sets *hop_sets_create(void);
void hop_sets_destroy(struct hop_sets *);

/* Finds or adds the set of these hops, sorted by rtnl_hop_compare(), and counts one
 * more user.  Returns its id; 0 is the empty set, which is not counted. */
uint32_t hop_sets_ref(struct hop_sets *, const struct rtnl_hop *, uint16_t n);
/* One user less.  Unused sets go, and their ids are used again. */
void hop_sets_unref(struct hop_sets *, uint32_t id);

/* The hops of a set, valid until it goes; NULL for an id that is not in use. */
const struct rtnl_hop *hop_sets_get(const struct hop_sets *, uint32_t id,
                                    uint16_t *ret_n);
uint32_t hop_sets_max_id(const struct hop_sets *);

/* Counts sets that came or went: unchanged means that no gateway came or went. */
uint64_t hop_sets_version(const struct hop_sets *);

#endif
