#ifndef RIB_IMPL_H
#define RIB_IMPL_H 1

/* Inside of the RIB: rib.c takes what the client and the association table tell,
 * rib_host.c derives host entries from neighbours, rib_output.c yields the changes,
 * rib_show.c explains. */

#include "core/ptable.h"
#include "core/rib.h"
#include "map.h"
#include "nhset.h"
#include "target.h"

struct rib_port {
    uint32_t vm_port;
    bool known; /* The client told of it. */
    bool seen;  /* Named since rib_begin(). */
    struct vm_port info;
    bool mapped;
    bool active;
    bool link_lost;
    bool remote; /* At another datapath: dp_port is an inside port that leads there. */
    uint32_t dp_port;
    enum port_class class;
    UT_hash_handle hh;
};

/* A datapath port as the peer has it, or will. */
struct rib_port_out {
    uint32_t dp_port;
    bool taken;
    struct plane_port content; /* When taken. */
    const struct rib_port *owner;
    bool inside;
    UT_hash_handle hh;
};

/* Neighbours with one MAC on one port. */
struct rib_transit_key {
    uint32_t vm_port;
    struct eth_addr dst;
};

struct rib_transit {
    struct rib_transit_key key;
    unsigned refs;
    UT_hash_handle hh;
};

/* A transit entry as the peer has it, or may: of ports with the same MAC the first. */
struct rib_transit_macs {
    struct eth_addr src, dst;
};

struct rib_transit_out {
    struct rib_transit_macs key; /* Has no padding. */
    uint32_t taken;              /* dp_port; 0: the peer does not have it. */
    bool dirty;
    struct rib_transit_out *prev, *next;
    UT_hash_handle hh;
};

struct rib_addr_key {
    uint32_t vm_port;
    struct ip_prefix addr;
};

struct rib_addr {
    struct rib_addr_key key;
    bool seen;
    UT_hash_handle hh;
};

/* An address of the VM as the peer has it: the VM may have it on several ports. */
struct rib_addr_out {
    struct ip_addr addr;
    unsigned refs;
    bool taken;
    bool dirty;
    struct rib_addr_out *prev, *next;
    UT_hash_handle hh;
};

struct rib_neigh {
    uint32_t vm_port;
    struct eth_addr hwaddr;
    bool seen;
    struct rib_neigh *next; /* In order of vm_port. */
};

/* All neighbours with one address. */
struct rib_host {
    struct ip_addr addr;
    struct rib_neigh *neighs;
    struct nhset *set; /* Of its host entry, or NULL; holds a reference. */
    UT_hash_handle hh;
};

/* An entry of the prefix table is a route, a host entry, or a FIB entry that the peer
 * has and must be told to remove; or several of these. */
enum { W_SET, W_TAKEN, W_METRIC, N_WORDS }; /* Set slot, packed target. */
/* Entries that are to be compared; those that keep their older way; those that are to
 * be compared first. */
enum { LANE_DUE, LANE_KEPT, LANE_URGENT };
#define F_PROTOCOL 0x00ff
#define F_KIND_SHIFT 8
#define F_KIND 0x0300   /* enum vm_route_kind; 0: no route. */
#define F_SEEN 0x0400   /* Named since rib_begin(). */
#define F_HIDDEN 0x0800 /* Never in the FIB. */
#define F_HOST 0x1000   /* Host entry of a neighbour. */
#define F_URGENT 0x2000 /* Its next change is. */

struct rib {
    struct rib_port *ports;
    struct rib_port_out *ports_out;
    bool ports_dirty;
    uint32_t widest; /* MTU of the ports that the client told of. */
    struct rib_addr *addrs;
    struct rib_addr_out *addrs_out;
    struct rib_addr_out *addrs_dirty;
    unsigned n_inside; /* Inside ports; 0: nothing of the following. */
    struct rib_transit *transits;
    struct rib_transit_out *transits_out;
    struct rib_transit_out *transits_dirty;
    struct rib_host *hosts;
    bool hosts_stale; /* Routes or ports changed that decide about host entries. */
    struct nhset_table sets;
    struct ptable *fib;
    size_t n_routes;
    size_t n_neighs;
    size_t n_taken;             /* FIB entries. */
    uint32_t plens[2][129];     /* Routes by family and length. */
    uint32_t connected[2][129]; /* Those with a hop without gateway. */
    uint32_t walk;              /* All up to this slot were compared ... */
    bool walking;               /* ... in a pass over the whole table ... */
    bool walks_all;             /* ... or those of sets that were judged anew. */
    bool snapshot;
    bool syncing; /* Between rib_begin() and rib_end(). */
};

static inline unsigned family_of(const struct ip_prefix *p)
{
    return p->addr.version == IP_V6;
}

static inline unsigned flags_kind(uint16_t flags)
{
    return (flags & F_KIND) >> F_KIND_SHIFT;
}

static inline bool port_is_usable(const struct rib_port *p)
{
    return p && p->known && p->mapped && p->active;
}

/* What is sent out of the port arrives, as far as is known. */
static inline bool port_forwards(const struct rib_port *p)
{
    return port_is_usable(p) && p->info.admin_up && p->info.carrier && !p->link_lost;
}

static inline bool addr_is_forwarded(const struct ip_addr *a)
{
    return !ip_is_link_local(a) && !ip_is_multicast(a) && !ip_is_loopback(a);
}

/* rib.c */
struct rib_port *rib_find_port(const struct rib *, uint32_t vm_port);
/* The set of the route at `slot`, NULL unless it is unicast. */
struct nhset *rib_route_of(const struct rib *, uint32_t slot);
struct nhset *rib_intern(struct rib *, const struct vm_hop *, unsigned n_hops);
void rib_hold(struct rib *, struct nhset *, bool fib);
void rib_release(struct rib *, struct nhset *, bool fib);
void rib_set_backup(struct rib *, struct nhset *, struct nhset_backup);
/* A hop of the set, its backup not counted, is on a port that forwards. */
bool rib_set_forwards(const struct rib *, const struct nhset *);
/* Removes the entry if it is nothing any more. */
void rib_tidy(struct rib *, uint32_t slot);

/* rib_host.c */
struct rib_host *rib_find_host(const struct rib *, const struct ip_addr *);
struct rib_neigh *rib_find_neigh(const struct rib_host *, uint32_t vm_port);
/* The longest match among routes, PTABLE_NONE if none. */
uint32_t rib_longest_match(const struct rib *, const struct ip_addr *);
/* A route came, went, or is no longer (or newly) connected. */
void rib_host_route_changed(struct rib *, const struct ip_prefix *, bool connected);
void rib_refresh_hosts(struct rib *);
void rib_host_sweep(struct rib *); /* Drops neighbours that were not seen. */
void rib_host_unsee(struct rib *);
void rib_host_clear(struct rib *);

/* rib_transit.c */
/* A neighbour on this port has (has no longer) this MAC. */
void rib_transit_neigh(struct rib *, uint32_t vm_port, const struct eth_addr *,
                       bool there);
/* Something of a port has changed: all are compared. */
void rib_transit_ports_changed(struct rib *);
bool rib_transit_next(struct rib *, struct plane_change *ret);
void rib_transit_snapshot(struct rib *);
void rib_transit_clear(struct rib *);

/* rib_output.c */
struct rib_port_out *rib_port_out(struct rib *, uint32_t dp_port);
/* What the FIB entry should be, as packed target. */
uint32_t rib_desired(const struct rib *, uint32_t slot);
/* The peer's entry stays as it is, though this is what it should be: the older way
 * still leads somewhere, and of the new one no hop is resolved yet. */
bool rib_keeps(const struct rib *, uint32_t slot, uint32_t desired);
/* Has all FIB entries compared, or those of sets that are marked as judged anew. */
void rib_start_walk(struct rib *, bool all);

#endif
