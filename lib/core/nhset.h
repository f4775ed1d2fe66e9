#ifndef NHSET_H
#define NHSET_H 1

/* Next-hop sets of one VM, interned: equal sets are one object with one group id.
 *
 * A set is referred to by routes and neighbours (refs); fib_refs counts those of them
 * that may be in the FIB.  It also lives on while the peer still has its group or FIB
 * entries that use it (taken).  Gateways are interned, too, each with the sets that
 * contain it, so that a neighbour that changes finds them.
 *
 * The hops of a set are normalized: sorted by (vm_port, gateway), equal ones merged
 * with their weights added; a single hop has weight 1. */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/vm.h"
#include "map.h"

/* A hop as part of a key: no padding that is not zero. */
struct hop_key {
    uint32_t vm_port;
    uint16_t weight; /* 0 in the key of a gateway. */
    uint8_t version;
    uint8_t zero;
    uint8_t bytes[16];
};

struct nhset;

struct gateway {
    struct hop_key key;
    uint32_t n_sets, cap;
    struct nhset **sets; /* That contain it; the gateway lives while there are any. */
    bool resolved;
    struct eth_addr hwaddr;
    UT_hash_handle hh;
};

enum nhset_use {
    NHSET_WITHHELD, /* No hop on a usable port. */
    NHSET_PUNT,     /* Only hops without gateway are on usable ports. */
    NHSET_GROUP,
};

/* Of ids: a power of 2 less 1.  The upper bits of a group's id are the proxy's. */
#define NHSET_ID_MAX 0xfffffu

/* Another router that has a way to all that is routed by the set, one that does not
 * come back.  vm_port 0: none is known. */
struct nhset_backup {
    uint32_t vm_port;
    struct eth_addr dst;
};

struct nhset {
    uint32_t slot;     /* In nhset_table.sets. */
    uint32_t group_id; /* 1..NHSET_ID_MAX. */
    uint32_t refs;
    uint32_t fib_refs;
    uint32_t fib_taken;       /* FIB entries to this group that the peer has. */
    uint64_t taken_hash;      /* Of the group's content as the peer has it. */
    bool group_taken;         /* The peer has the group. */
    bool has_connected;       /* A hop without gateway. */
    bool dirty;               /* In nhset_table.dirty. */
    bool leads;               /* The group's content, as built last, has a hop. */
    bool judged_anew;         /* Its FIB entries are to be compared. */
    bool given_up;            /* It did not for so long that FIB entries do not wait. */
    int64_t unresolved_since; /* While FIB entries wait; 0: none did. */
    enum nhset_use use;
    struct nhset_backup backup; /* For when no hop is on a port that forwards. */
    struct nhset *prev, *next;
    UT_hash_handle hh;    /* By keys. */
    UT_hash_handle hh_id; /* By group_id. */
    uint16_t n_hops;
    struct gateway **gateways; /* By hop; NULL without gateway. */
    struct hop_key keys[];
};

struct nhset_table {
    struct nhset *by_key;
    struct nhset *by_id;
    struct gateway *gateways;
    struct nhset *dirty;
    struct nhset **sets; /* By slot; NULL: free. */
    uint32_t n_slots, cap;
    uint32_t *free_slots;
    uint32_t n_free, cap_free;
    struct nhset *last; /* The one interned last, or NULL. */
};

void nhset_table_uninit(struct nhset_table *);

/* Finds or makes the set, which the caller must then hold or nhset_settle().  A new set
 * is NHSET_WITHHELD, its gateways unresolved unless known: *ret_new tells. */
struct nhset *nhset_intern(struct nhset_table *, const struct vm_hop *, unsigned n_hops,
                           bool *ret_new);
struct nhset *nhset_by_id(const struct nhset_table *, uint32_t group_id);
struct gateway *nhset_gateway(const struct nhset_table *, uint32_t vm_port,
                              const struct ip_addr *);
struct ip_addr hop_key_gateway(const struct hop_key *);

void nhset_mark_dirty(struct nhset_table *, struct nhset *);
/* Not dirty any more; freed if nobody needs it. */
void nhset_settle(struct nhset_table *, struct nhset *);

#endif
