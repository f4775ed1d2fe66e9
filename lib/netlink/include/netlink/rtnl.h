#ifndef NETLINK_RTNL_H
#define NETLINK_RTNL_H 1

/* rtnetlink messages as values: the parsing half of this library, pure.
 *
 * The kernel is a peer like any other: every length is checked by a cursor, and each
 * attribute by a policy (its minimum size) before anybody looks at it.  The values name
 * interfaces by ifindex; which of them is a VM port is the caller's business
 * (core/vm.h).  Numbers in netlink are in host byte order, addresses in network order.
 *
 * Sources: rtnetlink(7), linux/rtnetlink.h, linux/neighbour.h, linux/nexthop.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/cursor.h"
#include "core/vm.h"

/* What a message speaks of; also bits of a set. */
enum rtnl_kind {
    RTNL_LINK = 1 << 0,
    RTNL_ADDR = 1 << 1,
    RTNL_NEIGH = 1 << 2,
    RTNL_ROUTE4 = 1 << 3,
    RTNL_ROUTE6 = 1 << 4,
    /* A nexthop object: never dumped, but its removal takes IPv4 routes with it in
     * silence. */
    RTNL_NEXTHOP = 1 << 5,
};
#define RTNL_ROUTES (RTNL_ROUTE4 | RTNL_ROUTE6)
#define RTNL_ALL (RTNL_LINK | RTNL_ADDR | RTNL_NEIGH | RTNL_ROUTES)

struct rtnl_link {
    uint32_t ifindex;
    uint32_t mtu;
    struct eth_addr hwaddr; /* Zero unless the interface has an Ethernet address. */
    bool admin_up;          /* IFF_UP. */
    bool carrier;           /* IFF_LOWER_UP. */
    char name[VM_IFNAME_LEN];
};

struct rtnl_addr {
    uint32_t ifindex;
    struct ip_prefix addr; /* Keeps its host bits. */
};

struct rtnl_hop {
    uint32_t ifindex;
    uint16_t weight;        /* 1..256. */
    struct ip_addr gateway; /* IP_NONE: directly connected. */
};

/* A unicast, blackhole or unreachable (prohibit and throw included) route of table
 * main.  Hops are sorted by (ifindex, gateway) without duplicates, and those with
 * RTNH_F_DEAD are left out: a unicast route without any hop left is one that the kernel
 * has but cannot use.  RTNH_F_LINKDOWN says no more than RTM_NEWLINK does, and does not
 * count. */
struct rtnl_route {
    struct ip_prefix prefix; /* Canonical. */
    uint8_t kind;            /* enum vm_route_kind. */
    uint8_t protocol;
    uint32_t metric;
    uint16_t n_hops;
    struct rtnl_hop hops[VM_MAX_HOPS];
};

struct rtnl_neigh {
    uint32_t ifindex;
    struct ip_addr addr;
    struct eth_addr hwaddr; /* Zero unless usable. */
    uint16_t nud_state;     /* NUD_… of linux/neighbour.h; 0 in a delete. */
    /* REACHABLE, STALE, DELAY, PROBE, PERMANENT or NOARP, with an Ethernet address. */
    bool usable;
};

struct rtnl_msg {
    enum rtnl_kind kind;
    bool del;
    bool replace; /* NLM_F_REPLACE: takes the place of the one with the same key. */
    bool append;  /* NLM_F_APPEND: stands behind those with the same key. */
    union {
        struct rtnl_link link;
        struct rtnl_addr addr;
        struct rtnl_route route;
        struct rtnl_neigh neigh;
    };
};

enum rtnl_result {
    RTNL_OK,
    RTNL_IGNORE,    /* Sound, but not of interest: another table, a cached route, … */
    RTNL_MALFORMED, /* A length or an attribute that cannot be. */
};

/* Parses one message, header included.  *ret is set with RTNL_OK only. */
enum rtnl_result rtnl_parse(const void *msg, size_t n, struct rtnl_msg *ret);

/* Splits the next message off a datagram (header included, padding skipped).  Returns
 * false at its end and at a message length that does not fit. */
bool rtnl_next(struct cursor *datagram, struct cursor *ret_msg);

/* The fixed header of a message; false if it is too short for one. */
struct nlmsghdr;
bool rtnl_header(struct cursor msg, struct nlmsghdr *ret);

/* Appends the message in one line, for debug logs and tests. */
struct buf;
void rtnl_format(const struct rtnl_msg *, struct buf *ret);

/* Order of hops: by ifindex, then by gateway. */
int rtnl_hop_compare(const struct rtnl_hop *a, const struct rtnl_hop *b);

#endif
