#ifndef PLAN_IMPL_H
#define PLAN_IMPL_H 1

/* Inside of plan_make(): plan.c chooses ports and routers, plan_addr.c addresses. */

#include "core/plan.h"
#include "map.h"

/* An element of a set of keys; what else it holds depends on the set. */
struct item {
    struct map_key key;
    size_t index;
    struct vm_key vm;
    struct dp_key dp;
    struct ip_prefix addr;
    UT_hash_handle hh;
};

struct planner {
    const struct plan_input *in;
    struct topo_link *links; /* Confirmed, sorted. */
    size_t n_links;
    struct topo_port_info *up; /* Sorted. */
    struct item *mapped;       /* Datapath ports with a row: its vm. */
    struct item *homes;        /* Datapaths with rows or inter-switch links: vm_id. */
    struct item *inside;       /* Ends of inter-switch links. */
    struct item *vm_ports;     /* That have a row, or are given one. */
    struct item *vm_ids;       /* Likewise. */
    struct item *clients;      /* vm_id: index of the client. */
    struct item *interfaces;   /* VM ports that clients have told of. */
    struct item *addrs;        /* VM port: its lowest address. */
    struct item *link_ends;    /* Datapath ports: the other end. */
    struct item *routers;      /* New datapaths: vm_id. */
    struct item *created;      /* vm_id of new routers. */
    struct item *chosen;       /* Datapath ports in the plan. */
    struct item *given;        /* Addresses that somebody has, or is given. */
    struct plan plan;
    size_t cap_ports;
};

struct item *item_find(struct item *set, struct map_key);
struct item *item_add(struct item **set, struct map_key);

/* False: a pool is used up, told in `faults`.  The ports are in the order of datapath
 * ports but for far ends, which come last. */
bool plan_give_addresses(struct planner *, struct buf *faults);
bool plan_give_router_ids(struct planner *, struct buf *faults);

#endif
