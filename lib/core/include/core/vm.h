#ifndef CORE_VM_H
#define CORE_VM_H 1

/* What rfclient tells of one VM: ports, addresses, routes, neighbours.  These are the
 * values that travel from netlink through the wire into the RIB. */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define VM_MAX_HOPS 64   /* Next hops of one route. */
#define VM_IFNAME_LEN 16 /* Terminated, as IFNAMSIZ. */

/* An interface of the container that is a VM port (ethN, N >= 1). */
struct vm_port {
    uint32_t vm_port;
    struct eth_addr hwaddr;
    uint32_t mtu;
    bool admin_up;
    bool carrier; /* IFF_LOWER_UP. */
    char name[VM_IFNAME_LEN];
};

/* An address of the container on a VM port; addr keeps its host bits. */
struct vm_addr {
    uint32_t vm_port;
    struct ip_prefix addr;
};

/* One next hop.  An unspecified gateway (version IP_NONE) means directly connected.
 * An IPv4 route may have an IPv6 gateway (RFC 8950). */
struct vm_hop {
    uint32_t vm_port;
    uint16_t weight; /* 1... */
    struct ip_addr gateway;
};

enum vm_route_kind {
    VM_ROUTE_UNICAST = 1, /* Through its hops, at least one. */
    VM_ROUTE_BLACKHOLE,   /* Dropped silently; no hops. */
    VM_ROUTE_UNREACHABLE, /* The VM answers with an ICMP error; no hops. */
};

/* The best route of table main for a prefix.  Hops are sorted by (vm_port, gateway) and
 * contain no dead one, so that equal sets compare equal. */
struct vm_route {
    struct ip_prefix prefix; /* Canonical. */
    enum vm_route_kind kind;
    uint32_t metric;
    uint8_t protocol; /* rtm_protocol: 2 kernel, 4 static, 188 OSPF, … for people. */
    uint16_t n_hops;
    struct vm_hop hops[VM_MAX_HOPS];
};

/* A usable neighbour (REACHABLE, STALE, DELAY, PROBE, PERMANENT, NOARP). */
struct vm_neigh {
    uint32_t vm_port;
    struct ip_addr addr;
    struct eth_addr hwaddr;
};

#endif
