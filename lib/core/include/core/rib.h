#ifndef CORE_RIB_H
#define CORE_RIB_H 1

/* The RIB of one VM: from its routes and neighbours to the desired state of its
 * datapath; of a VM that spans several datapaths each has a RIB of its own.
 *
 * What goes in: what rfclient tells of the VM (core/vm.h), and which of its ports are
 * associated with which datapath ports.  What comes out: changes of the desired state
 * (core/plane.h), taken one by one with rib_next_change().
 *
 * The rules
 *
 *  - A port is *usable* when the client told of it and its association is active.  Each
 *    usable port is a PLANE_PORT.  It *forwards* when it is up, has carrier, and its
 *    real link is not known to be lost; hops and neighbours on other ports do not
 * count, though the VM's routes may name them until the routing suite has answered.
 *  - Every address of the VM is a PLANE_ADDR, whatever its port, except loopback.
 *  - A unicast route over gateways is a FIB entry to the group of its next-hop set,
 * once one of these gateways is on a port that forwards; before, it waits, and it comes
 * by itself. The group has one hop for each gateway that is on a usable port and
 * resolved; it has none while nothing is resolved, and drops.  So a neighbour or an
 * association that changes is one group change, however many routes use it.
 *  - A FIB entry does not move from a group with hops to one without: it keeps its
 * older way until a hop of the new set is resolved, the older one has lost its last
 * hop, or rib_age() gives up.  (FIB entries of a peer, that is: a new peer gets the new
 * one.)
 *  - A set without any hop left whose backup is known (core/lfa.h) goes there; while it
 *    has one hop, the backup is the alternate to that.
 *  - Equal sets have one group.  Its id is a hash of the set, the same after a restart.
 *  - A route without a gateway (connected) is punted, once its port is usable.  In a
 * set that has both sorts, the hops without gateway count only when no gateway does.
 *  - A neighbour on a usable port is a host entry (/32 or /128) to the group of this
 *    single hop, provided the longest match among the VM's routes for its address is a
 *    hop without gateway on that port.  Hence a host route of the suite wins, and so
 * does a more specific route or blackhole; but a *connected* host route gives way to
 * the neighbour, or all its packets would be punted for ever.
 *  - A group whose hops have a smaller MTU than the widest port of the VM has the least
 *    of these MTUs; where all ports are alike, no group has one.
 *  - Blackhole is dropped; unreachable is punted, so that the VM answers by ICMP.
 *  - Link-local, multicast and loopback prefixes never become FIB entries.
 *  - A port at another datapath of the VM (rib_map_remote()) is as good as one here for
 *    all of that, by way of the inside port that leads there, but is no PLANE_PORT.
 *  - With inside ports, each neighbour on a usable port is a PLANE_TRANSIT.
 *
 * Memory: some 30 octets per IPv4 route, none of it allocated per route.  The RIB owns
 * all it holds; arguments are copied. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/plane.h"
#include "core/vm.h"

struct rib;

struct rib *rib_create(void);
void rib_destroy(struct rib *);

/* What the client tells.  The values come from a peer: false, and nothing changed, when
 * one is out of range (a prefix that is not canonical or of no family, no hop or more
 * than VM_MAX_HOPS in a unicast route, weight 0). */
bool rib_port_set(struct rib *, const struct vm_port *);
void rib_port_gone(struct rib *, uint32_t vm_port);
bool rib_addr_set(struct rib *, const struct vm_addr *);
void rib_addr_del(struct rib *, const struct vm_addr *);
bool rib_route_set(struct rib *, const struct vm_route *);
void rib_route_del(struct rib *, const struct ip_prefix *);
/* A route of this prefix will be set or deleted soon (core/ptable.h). */
void rib_prefetch(const struct rib *, const struct ip_prefix *);
bool rib_neigh_set(struct rib *, const struct vm_neigh *);
void rib_neigh_del(struct rib *, uint32_t vm_port, const struct ip_addr *);

/* What the client told last of this prefix is urgent: its FIB entry's change is yielded
 * before those of others, as urgent.  (That of a neighbour's host entry always is,
 * outside of a resync.) */
void rib_hurry(struct rib *, const struct ip_prefix *);

/* Around a full resync of the client: what it did not name between them is gone at
 * rib_end().  A rib_begin() while one is open starts over.  A client that is lost for
 * good (hold time over) is rib_begin(), rib_end(). */
void rib_begin(struct rib *);
void rib_end(struct rib *);

/* What the association table tells: VM port ↔ datapath port, and whether the
 * association is active.  Again for the same port: it replaces (class changed, row
 * moved). */
void rib_map_port(struct rib *, uint32_t vm_port, uint32_t dp_port, enum port_class,
                  bool active);
void rib_unmap_port(struct rib *, uint32_t vm_port);
/* The real link of a mapped port is lost, though the port is up (a silent cut). */
void rib_port_link(struct rib *, uint32_t vm_port, bool lost);

/* Of a VM that spans several datapaths.  The first: the VM port is at another datapath,
 * and dp_port is the first inside port on the way there; in the place of
 * rib_map_port(). The second: dp_port is (is not) the end of a link between two of its
 * datapaths. */
void rib_map_remote(struct rib *, uint32_t vm_port, uint32_t dp_port, bool active);
void rib_set_inside(struct rib *, uint32_t dp_port, bool inside);

/* A RIB for another datapath of the same VM: it was told what `from` was told by the
 * client, and nothing else. */
struct rib *rib_copy(const struct rib *from);

/* Takes the next change, of those that are due since the last one of the same key;
 * false when there is none.  A group comes before the first FIB entry that uses it and
 * is removed after the last one has left it.  Small things first: one changed route
 * does not wait for a million that an association made due, and one that is urgent
 * (rib_hurry()) does not wait for other routes either. */
bool rib_next_change(struct rib *, struct plane_change *ret);
/* The same, but false where a pass over the whole table comes next, which may be long
 * in finding something: what was taken before can be sent. */
bool rib_next_small(struct rib *, struct plane_change *ret);
/* False: rib_next_change() would yield nothing.  True: it may. */
bool rib_pending(const struct rib *);

/* To be called about once in a second: a new next-hop set of which no gateway has been
 * resolved for RIB_KEEP_MS replaces the older way all the same.  The kernel has asked
 * three times, a second apart, by then.  True: there may be changes. */
#define RIB_KEEP_MS 5000
bool rib_age(struct rib *, int64_t now);

/* For a new peer, which knows nothing: forgets what was taken, so that all that is
 * desired becomes due again (removals do not: the peer sweeps what was not named). Send
 * BEGIN before, and END when rib_snapshot_active() is false again. */
void rib_snapshot_begin(struct rib *);
bool rib_snapshot_active(const struct rib *);

/* For people. */

enum rib_reason {
    RIB_OK,            /* In the FIB, and useful. */
    RIB_QUEUED,        /* Will be, after rib_next_change(). */
    RIB_NO_ROUTE,      /* The VM has no such route. */
    RIB_NOT_FORWARDED, /* Link-local, multicast or loopback. */
    RIB_PORT_UNKNOWN,  /* The client did not tell of port vm_port. */
    RIB_PORT_UNMAPPED, /* vm_port is not associated. */
    RIB_PORT_INACTIVE, /* vm_port is associated, but no mapping frame was seen. */
    RIB_PORT_DOWN,     /* vm_port has no carrier, or its real link is lost. */
    RIB_UNRESOLVED,    /* In the FIB, but `gateway` on vm_port is unresolved. */
    RIB_KEPT,          /* The same, and what is in the FIB is an older way. */
    RIB_SHADOWED,      /* Neighbour: its longest match is not connected on its port. */
};

struct rib_verdict {
    enum rib_reason reason;
    uint32_t vm_port; /* Where the reason speaks of a port. */
    struct ip_addr gateway;
};

#define RIB_VERDICT_STRLEN 128
/* "next hop 10.0.0.2 on port 2 unresolved" */
const char *rib_verdict_format(const struct rib_verdict *,
                               char buf[static RIB_VERDICT_STRLEN]);

struct rib_route_info {
    struct vm_route route; /* kind is 0 for a mere host entry of a neighbour. */
    struct rib_verdict verdict;
    struct fib_target target; /* As taken; verdict 0: not in the FIB. */
};

/* What there is of a prefix, exactly; RIB_NO_ROUTE if nothing. */
void rib_explain(const struct rib *, const struct ip_prefix *,
                 struct rib_route_info *ret);
/* The longest match among routes and host entries. */
bool rib_match(const struct rib *, const struct ip_addr *, struct ip_prefix *ret);

/* All routes and host entries: *cursor starts as 0.  Routes may change between calls;
 * one that exists all the while is met exactly once. */
bool rib_next_route(const struct rib *, uint32_t *cursor, struct rib_route_info *ret);

struct rib_neigh_info {
    struct vm_neigh neigh;
    struct rib_verdict verdict; /* RIB_OK: it has a host entry. */
};

typedef void rib_neigh_fn(void *aux, const struct rib_neigh_info *);
void rib_each_neigh(const struct rib *, rib_neigh_fn *, void *aux);

typedef void rib_addr_fn(void *aux, const struct vm_addr *);
void rib_each_addr(const struct rib *, rib_addr_fn *, void *aux);

/* Gateways of routes that are on a usable port and unresolved. */
typedef void rib_hop_fn(void *aux, uint32_t vm_port, const struct ip_addr *gateway);
void rib_each_unresolved(const struct rib *, rib_hop_fn *, void *aux);

/* Transit entries, as taken. */
typedef void rib_transit_fn(void *aux, const struct plane_transit *);
void rib_each_transit(const struct rib *, rib_transit_fn *, void *aux);

struct rib_counts {
    size_t ports;
    size_t addrs;
    size_t routes;
    size_t neighs;
    size_t unresolved; /* Gateways. */
    size_t sets;       /* Next-hop sets, those of host entries included. */
    size_t alternates; /* Sets that have one (core/lfa.h). */
    size_t fib_taken;  /* FIB entries that the peer was told. */
    size_t memory;     /* Octets held by routes. */
};
void rib_counts(const struct rib *, struct rib_counts *ret);

#endif
