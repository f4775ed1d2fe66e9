#ifndef RFCLIENT_STATE_IMPL_H
#define RFCLIENT_STATE_IMPL_H 1

/* What state.c (from the kernel) and state_tell.c (to rfserver) share. */

#include "map.h"
#include "marks.h"
#include "ports.h"
#include "routes.h"
#include "state.h"
#include "withdrawals.h"

struct host_key {
    uint32_t ifindex;
    struct ip_prefix prefix;
};

/* An address or a neighbour. */
struct host {
    struct host_key key;    /* Padding is zero. */
    struct eth_addr hwaddr; /* Of a neighbour. */
    uint8_t round;
    UT_hash_handle hh;
};

enum sync_phase { SYNC_NONE, SYNC_BEGIN, SYNC_RUNNING };

struct vm_state {
    struct port_pattern pattern;
    struct iface *ifaces;
    struct host *addrs, *neighs;
    struct route_table *routes;
    struct withdrawals *withdrawals;
    struct marks *marks;
    struct prober *prober;
    uint64_t hops_version; /* Of the gateways that the prober knows. */
    uint8_t link_round, addr_round, neigh_round;
    enum sync_phase sync;
};

/* The port number of an interface that can be routed over, else 0. */
uint32_t state_usable_port(void *vm_state, uint32_t ifindex, bool *ret_carrier);

/* MARK_ADDR or MARK_NEIGH; NULL: there is none. */
struct host *state_find_host(struct vm_state *, enum mark_type, uint32_t ifindex,
                             const struct ip_prefix *);

#endif
