#ifndef CORE_PLANE_H
#define CORE_PLANE_H 1

/* The desired state of one datapath, free of OpenFlow: what rfserver computes, the wire
 * carries and rfproxy turns into flow and group entries (docs/architecture.md).
 *
 * A packet is admitted (table 0) when it comes in on a port with that port's router MAC
 * as destination; then the FIB (table 1) sends it by longest prefix to a target.
 *
 * Several datapaths may be one router (one VM).  The datapath at which a packet comes
 * in does all that a router does to it, once: it finds the next hop, rewrites the MACs
 * and decrements the TTL.  If the next hop is at another datapath the packet then
 * leaves by an inside port, and the datapaths on the way, the last one included, pass
 * it on by its MACs alone (table 3, transit), as a bridge would. */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/vm.h"

/* How a datapath port is treated. */
enum port_class {
    PORT_PROBING,  /* Just up: LLDP has not had its chance.  Nothing is relayed. */
    PORT_INTERNAL, /* LLDP of ours was seen: an inter-switch link. */
    PORT_EDGE,    /* Hosts, external routers: ARP/ND and control traffic are relayed. */
    PORT_OPEN,    /* The same, by order: whatever LLDP finds there. */
    PORT_BLOCKED, /* By configuration. */
    PORT_INSIDE,  /* A link between two datapaths of one VM, by configuration. */
};

/* Whether what the VM sends may leave by a port of this class, and what comes in reach
 * it. */
static inline bool port_class_relays(enum port_class class)
{
    return class == PORT_EDGE || class == PORT_OPEN;
}

/* A datapath port with an active association. */
struct plane_port {
    uint32_t dp_port;
    enum port_class class;
    struct eth_addr mac; /* Of the VM port: the router MAC.  Zero of an inside port. */
};

/* An address of the VM itself: to the slow path. */
struct plane_addr {
    struct ip_addr addr;
};

/* Where a FIB entry sends a packet. */
enum fib_verdict {
    FIB_GROUP = 1, /* To next-hop group `group`. */
    FIB_PUNT, /* To the VM, metered: connected prefix, or it must answer by ICMP. */
    FIB_DROP, /* Blackhole. */
};

struct fib_target {
    uint8_t verdict; /* enum fib_verdict. */
    uint32_t group;  /* With FIB_GROUP: 1..0x7fffffff. */
    uint16_t mtu;    /* Of the group; rfproxy's own, rfserver says it of the group. */
};

struct fib_entry {
    struct ip_prefix prefix; /* Canonical. */
    struct fib_target target;
};

/* A next-hop group.  No hop: its packets are dropped (next hop being resolved); one
 * hop: an indirect group; several: a select group.  One hop and an alternate to it: a
 * fast-failover group, by which the switch itself goes over to the alternate when the
 * hop's port goes down, with nobody's help. */
struct fib_hop {
    uint32_t dp_port;
    uint16_t weight;     /* 1...; 0: the alternate to the one before, second of two. */
    struct eth_addr src; /* MAC of the VM port. */
    struct eth_addr dst; /* MAC of the next hop. */
};

#define FIB_MTU_MAX 65521 /* With an Ethernet header 16 bits. */

struct fib_group {
    uint32_t id;
    /* What is longer (the packet alone, in octets) is punted, so that the VM answers
     * "fragmentation needed" or "packet too big".  0: whatever comes in can leave. */
    uint16_t mtu;
    uint16_t n_hops;
    struct fib_hop hops[VM_MAX_HOPS];
};

static inline bool fib_hops_have_alternate(unsigned n_hops, const struct fib_hop *hops)
{
    return n_hops == 2 && !hops[1].weight;
}

/* What comes in by an inside port with these MACs leaves by dp_port: to the next hop
 * itself, or by another inside port. */
struct plane_transit {
    struct eth_addr src; /* MAC of the VM port. */
    struct eth_addr dst; /* MAC of the next hop. */
    uint32_t dp_port;
};

/* One change of the desired state. */
enum plane_kind { PLANE_PORT = 1, PLANE_ADDR, PLANE_GROUP, PLANE_FIB, PLANE_TRANSIT };

struct plane_change {
    enum plane_kind kind;
    /* Then only the key counts: dp_port, addr, group id, prefix, src and dst. */
    bool remove;
    bool urgent; /* A FIB entry that goes before those that wait and are not. */
    union {
        struct plane_port port;
        struct plane_addr addr;
        struct fib_entry fib;
        struct fib_group group;
        struct plane_transit transit;
    };
};

#endif
