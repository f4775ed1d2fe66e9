#ifndef RIB_TEXT_H
#define RIB_TEXT_H 1

/* Short ways to tell a RIB what a test wants, and to ask what its peer holds. */

#include <limits.h>
#include <string.h>

#include "dice.h"
#include "plane_peer.h"

#define MAC(LAST) ((struct eth_addr){.ea = {2, 0xa0, 0, 0, 0, (LAST)}})

static inline struct vm_hop hop(uint32_t vm_port, const char *gateway)
{
    struct vm_hop h = {.vm_port = vm_port, .weight = 1};
    if (gateway) {
        h.gateway = ip(gateway);
    }
    return h;
}

static inline void add_route(struct rib *rib, const char *dst, uint32_t vm_port,
                             const char *gateway)
{
    struct vm_route r = {
        .prefix = prefix(dst), .kind = VM_ROUTE_UNICAST, .protocol = 188, .n_hops = 1};
    r.hops[0] = hop(vm_port, gateway);
    ck_assert(rib_route_set(rib, &r));
}

static inline void add_neigh(struct rib *rib, uint32_t vm_port, const char *addr,
                             uint8_t mac)
{
    struct vm_neigh n = {.vm_port = vm_port, .addr = ip(addr), .hwaddr = MAC(mac)};
    ck_assert(rib_neigh_set(rib, &n));
}

static inline void add_port(struct rib *rib, uint32_t vm_port)
{
    struct vm_port p = {.vm_port = vm_port,
                        .hwaddr = MAC((uint8_t)vm_port),
                        .admin_up = true,
                        .carrier = true};
    ck_assert(rib_port_set(rib, &p));
}

/* A VM with active port 1 on datapath port 11, 10.0.0.0/24 on it, all of it taken. */
static inline struct rib *make_rib(struct plane_peer *peer)
{
    struct rib *rib = rib_create();

    memset(peer, 0, sizeof *peer);
    add_port(rib, 1);
    rib_map_port(rib, 1, 11, PORT_EDGE, true);
    add_route(rib, "10.0.0.0/24", 1, NULL);
    peer_drain(peer, rib, INT_MAX);
    return rib;
}

static inline uint32_t group_of(struct plane_peer *peer, const char *dst)
{
    struct ip_prefix p = prefix(dst);
    const struct fib_entry *e = peer_fib(peer, &p);
    ck_assert_msg(e, "no FIB entry %s", dst);
    ck_assert_int_eq(e->target.verdict, FIB_GROUP);
    return e->target.group;
}

static inline bool has_fib(struct plane_peer *peer, const char *dst)
{
    struct ip_prefix p = prefix(dst);
    return peer_fib(peer, &p);
}

#endif
