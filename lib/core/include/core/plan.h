#ifndef CORE_PLAN_H
#define CORE_PLAN_H 1

/* Automatic mapping: rows, containers and addresses for ports that no row names.
 *
 * A plan is a proposal; nothing here carries it out, and no row that exists is ever
 * changed by it.  It is a function of its input alone, whatever the order in which that
 * comes: the same network always gives the same plan.
 *
 *  - A datapath is *new* when no row and no inter-switch link names it.  It gets a
 *    router of its own: its vm_id is 06, the lower 24 bits of its dp_id, 00:00, its
 * name "rfa" and these 24 bits in hexadecimal; the next free number if another has it.
 *  - A port gets a row when it is up, in none, and either
 *      - the end of a confirmed link, of whatever datapath; the router at the other end
 *        must be there (its row, a client that is connected) or be new, too; or
 *      - an edge port of a new datapath, or of one whose router was made by a plan.
 *        Edge ports of other datapaths are left alone: whoever wrote rows for some of
 *        their ports had a reason not to for the others.
 *    VM port N is datapath port N, or the lowest free one if that is taken or too
 * large.
 *  - A router that is there gets the interface (ethN), unless its client has told of
 * it.
 *  - Both ends of a link have addresses in one network: that of the end which has one
 *    already, or else the first free one of the pool of links, in the order of the
 *    links; the lower end (dp_key_compare()) has the lower address.  An edge port has
 * the first address of a network of the pool of hosts, a new router one of the pool of
 *    loopbacks.  A network is free when it overlaps no address and no route of any
 *    VM; routes that contain all of the pool do not count.
 *
 * Only IPv4 addresses are proposed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "core/keys.h"
#include "core/mapping.h"
#include "core/topology.h"

/* Networks of length plen out of `net`. */
struct plan_pool {
    struct ip_prefix net; /* IPv4, canonical. */
    uint8_t plen;
};

/* "10.128.0.0/16" or "10.128.0.0/16:31", the latter with a length other than `plen`,
 * min_plen..max_plen. False for anything else. */
bool plan_pool_parse(const char *text, uint8_t plen, uint8_t min_plen, uint8_t max_plen,
                     struct plan_pool *ret);
#define PLAN_POOL_STRLEN (IP_PREFIX_STRLEN + 4)
const char *plan_pool_format(const struct plan_pool *,
                             char buf[static PLAN_POOL_STRLEN]);

struct plan_pools {
    struct plan_pool links, hosts, loopbacks;
};
/* Whether no two pools overlap. */
bool plan_pools_are_apart(const struct plan_pools *);
/* Whether a route or address matters for what is free. */
bool plan_pools_overlap(const struct plan_pools *, const struct ip_prefix *);

/* What is known of the network. Arrays in any order. */
struct plan_client { /* Is connected. */
    uint64_t vm_id;
    char name[64]; /* Of the container. */
};
struct plan_addr { /* IPv4; those of lost clients, too. */
    struct vm_key vm;
    struct ip_prefix addr;
};
struct plan_route {
    uint64_t vm_id; /* Whose. */
    struct ip_prefix prefix;
};
struct plan_input {
    struct plan_pools pools;
    const struct mapping *mapping;
    const struct topo_port_info *ports;
    size_t n_ports;
    const struct topo_link *links;
    size_t n_links;
    const struct plan_client *clients;
    size_t n_clients;
    const struct vm_key *interfaces; /* That clients have told of. */
    size_t n_interfaces;
    const struct plan_addr *addrs;
    size_t n_addrs;
    const struct plan_route *routes;
    size_t n_routes;
};

/* One port of a router, and what of it is new; at least one of the three is. */
struct plan_port {
    struct vm_key vm;
    struct dp_key dp;
    bool is_link;
    struct dp_key peer;    /* Of a link: its other end. */
    struct ip_prefix addr; /* With host bits. */
    bool new_row, new_interface, new_addr;
};

struct plan_router {
    uint64_t vm_id;
    char name[64];
    bool create;              /* Else its container is there and gets more ports. */
    struct ip_addr router_id; /* And loopback address; IP_NONE unless `create`. */
    size_t first, n;          /* Its ports. */
};

struct plan {
    struct plan_router *routers; /* By vm_id. */
    size_t n_routers;
    struct plan_port *ports; /* By vm_id, then datapath port. */
    size_t n_ports;
    struct buf notes; /* Lines: what was left out, and why. */
};

/* True and *ret, to be freed by plan_uninit().  False when a pool has not enough left:
 * *ret is untouched, and a line for each such pool is appended to `faults`. */
bool plan_make(const struct plan_input *, struct plan *ret, struct buf *faults);
void plan_uninit(struct plan *);
size_t plan_count_rows(const struct plan *);

/* The plan as text of the mapping file: a comment for each router, then its rows. */
void plan_rows_format(const struct plan *, struct buf *out);

/* `rows` at the end of a mapping file: what is there stays octet by octet; a missing
 * line end is added, and lines end as the first one does. */
void plan_rows_append(const void *file, size_t n, const char *rows, struct buf *out);
/* Takes these lines out again, wherever they are: the last of equal ones; each that is
 * missing is appended to `missing`.  Everything else stays octet by octet. */
void plan_rows_remove(const void *file, size_t n, const char *rows, struct buf *out,
                      struct buf *missing);
/* plan_rows_append() as a unified diff. */
void plan_rows_diff(const char *name, const void *file, size_t n, const char *rows,
                    struct buf *out);

#endif
