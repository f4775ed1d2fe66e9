#include "netlink/rtnl.h"

#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP (1 << 16)
#endif

/* Messages, attributes and next hops are aligned to 4, but the last one need not be. */
static void cursor_pad(struct cursor *c, size_t len)
{
    cursor_skip(c, MIN(c->n, -len & 3));
}

/* Attributes: a policy has a row for each one that is wanted. */

struct policy {
    uint16_t type;
    uint16_t min_len;
};

struct attr {
    const uint8_t *p; /* NULL: absent. */
    size_t n;
};

/* Splits `c` into attributes, ret[i] for policy[i]; unknown types are passed over, and
 * of a type given twice the last counts.  False if a length does not fit. */
static bool attrs_parse(struct cursor c, const struct policy *policy, size_t n_policy,
                        struct attr *ret)
{
    memset(ret, 0, n_policy * sizeof *ret);
    while (c.n >= sizeof(struct rtattr)) {
        struct rtattr rta;
        const uint8_t *payload;

        cursor_copy(&c, &rta, sizeof rta);
        if (rta.rta_len < sizeof rta ||
            !cursor_bytes(&c, rta.rta_len - sizeof rta, &payload)) {
            return false;
        }
        size_t len = rta.rta_len - sizeof rta;
        for (size_t i = 0; i < n_policy; i++) {
            if (policy[i].type ==
                (rta.rta_type & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER))) {
                if (len < policy[i].min_len) {
                    return false;
                }
                ret[i] = (struct attr){payload, len};
            }
        }
        cursor_pad(&c, rta.rta_len);
    }
    return true;
}

static uint32_t attr_u32(struct attr a)
{
    uint32_t v;

    memcpy(&v, a.p, sizeof v);
    return v;
}

static enum ip_version family_version(uint8_t family)
{
    return family == AF_INET ? IP_V4 : family == AF_INET6 ? IP_V6 : IP_NONE;
}

static bool attr_addr(struct attr a, enum ip_version version, struct ip_addr *ret)
{
    if (a.n != ip_width(version) / 8) {
        return false;
    }
    *ret = ip_from_bytes(version, a.p);
    return true;
}

/* Links. */

static enum rtnl_result parse_link(struct cursor c, struct rtnl_msg *m)
{
    enum { NAME, MTU, ADDRESS, N };
    static const struct policy policy[N] = {[NAME] = {IFLA_IFNAME, 1},
                                            [MTU] = {IFLA_MTU, 4},
                                            [ADDRESS] = {IFLA_ADDRESS, 0}};
    struct attr a[N];
    struct ifinfomsg ifi;

    if (!cursor_copy(&c, &ifi, sizeof ifi) || !attrs_parse(c, policy, N, a)) {
        return RTNL_MALFORMED;
    }
    /* AF_BRIDGE messages speak of bridge ports and lack most of the rest. */
    if (ifi.ifi_family != AF_UNSPEC) {
        return RTNL_IGNORE;
    }
    if (!a[NAME].p || ifi.ifi_index <= 0) {
        return RTNL_MALFORMED;
    }
    m->kind = RTNL_LINK;
    m->link = (struct rtnl_link){
        .ifindex = (uint32_t)ifi.ifi_index,
        .mtu = a[MTU].p ? attr_u32(a[MTU]) : 0,
        .admin_up = ifi.ifi_flags & IFF_UP,
        .carrier = ifi.ifi_flags & IFF_LOWER_UP,
    };
    memcpy(m->link.name, a[NAME].p, MIN(a[NAME].n, sizeof m->link.name - 1));
    if (ifi.ifi_type == ARPHRD_ETHER && a[ADDRESS].n == sizeof m->link.hwaddr) {
        memcpy(&m->link.hwaddr, a[ADDRESS].p, sizeof m->link.hwaddr);
    }
    return RTNL_OK;
}

/* Addresses. */

static enum rtnl_result parse_addr(struct cursor c, struct rtnl_msg *m)
{
    enum { ADDRESS, LOCAL, FLAGS, N };
    static const struct policy policy[N] = {[ADDRESS] = {IFA_ADDRESS, 4},
                                            [LOCAL] = {IFA_LOCAL, 4},
                                            [FLAGS] = {IFA_FLAGS, 4}};
    struct attr a[N];
    struct ifaddrmsg ifa;

    if (!cursor_copy(&c, &ifa, sizeof ifa) || !attrs_parse(c, policy, N, a)) {
        return RTNL_MALFORMED;
    }
    enum ip_version version = family_version(ifa.ifa_family);
    if (!version) {
        return RTNL_IGNORE;
    }
    /* With a point-to-point peer, ADDRESS is the peer's and LOCAL is ours. */
    struct attr own = a[LOCAL].p ? a[LOCAL] : a[ADDRESS];
    struct rtnl_addr r = {.ifindex = ifa.ifa_index, .addr.plen = ifa.ifa_prefixlen};
    if (!own.p || !attr_addr(own, version, &r.addr.addr) ||
        ifa.ifa_prefixlen > ip_width(version) || !ifa.ifa_index) {
        return RTNL_MALFORMED;
    }
    uint32_t flags = a[FLAGS].p ? attr_u32(a[FLAGS]) : ifa.ifa_flags;
    m->kind = RTNL_ADDR;
    m->addr = r;
    /* A duplicate on the link: the kernel does not use it. */
    m->del |= (flags & IFA_F_DADFAILED) != 0;
    return RTNL_OK;
}

/* Routes. */

static bool via_addr(struct attr via, struct ip_addr *ret)
{
    uint16_t family;

    memcpy(&family, via.p, sizeof family);
    enum ip_version version = family_version((uint8_t)family);
    return version && attr_addr((struct attr){via.p + 2, via.n - 2}, version, ret);
}

/* GATEWAY is an address of the route's family, VIA one of any family. */
static bool hop_gateway(struct attr gateway, struct attr via, enum ip_version version,
                        struct ip_addr *ret)
{
    struct ip_addr addr = {.version = IP_NONE};

    if ((gateway.p && !attr_addr(gateway, version, &addr)) ||
        (via.p && !via_addr(via, &addr))) {
        return false;
    }
    *ret = ip_is_unspecified(&addr) ? (struct ip_addr){.version = IP_NONE} : addr;
    return true;
}

static void route_add_hop(struct rtnl_route *r, unsigned flags, struct rtnl_hop hop)
{
    /* More than VM_MAX_HOPS: the first ones carry the traffic. */
    if (!(flags & RTNH_F_DEAD) && hop.ifindex && r->n_hops < VM_MAX_HOPS) {
        r->hops[r->n_hops++] = hop;
    }
}

static bool parse_multipath(struct attr multipath, enum ip_version version,
                            struct rtnl_route *r)
{
    enum { GATEWAY, VIA, N };
    static const struct policy policy[N] = {
        [GATEWAY] = {RTA_GATEWAY, 4}, [VIA] = {RTA_VIA, 2 + 4}};
    struct cursor c = cursor_of(multipath.p, multipath.n);

    while (c.n >= sizeof(struct rtnexthop)) {
        struct rtnexthop rtnh;
        struct cursor sub;
        struct attr a[N];
        struct rtnl_hop hop;

        cursor_copy(&c, &rtnh, sizeof rtnh);
        if (rtnh.rtnh_len < sizeof rtnh ||
            !cursor_sub(&c, rtnh.rtnh_len - sizeof rtnh, &sub) ||
            !attrs_parse(sub, policy, N, a) ||
            !hop_gateway(a[GATEWAY], a[VIA], version, &hop.gateway)) {
            return false;
        }
        hop.ifindex = (uint32_t)rtnh.rtnh_ifindex;
        hop.weight = (uint16_t)(rtnh.rtnh_hops + 1);
        route_add_hop(r, rtnh.rtnh_flags, hop);
        cursor_pad(&c, rtnh.rtnh_len);
    }
    return true;
}

int rtnl_hop_compare(const struct rtnl_hop *a, const struct rtnl_hop *b)
{
    return a->ifindex != b->ifindex ? (a->ifindex < b->ifindex ? -1 : 1)
                                    : ip_compare(&a->gateway, &b->gateway);
}

static int hop_compare_void(const void *a, const void *b)
{
    return rtnl_hop_compare(a, b);
}

/* The same hop listed twice is one hop of their weight together. */
static void route_normalize(struct rtnl_route *r)
{
    uint16_t n = 0;

    if (r->n_hops < 2) {
        return;
    }
    qsort(r->hops, r->n_hops, sizeof r->hops[0], hop_compare_void);
    for (uint16_t i = 0; i < r->n_hops; i++) {
        if (n && !rtnl_hop_compare(&r->hops[n - 1], &r->hops[i])) {
            r->hops[n - 1].weight =
                (uint16_t)(r->hops[n - 1].weight + r->hops[i].weight);
        } else {
            r->hops[n++] = r->hops[i];
        }
    }
    r->n_hops = n;
}

static uint8_t route_kind(uint8_t rtm_type)
{
    switch (rtm_type) {
    case RTN_UNICAST:
        return VM_ROUTE_UNICAST;
    case RTN_BLACKHOLE:
        return VM_ROUTE_BLACKHOLE;
    case RTN_UNREACHABLE:
    case RTN_PROHIBIT:
    case RTN_THROW: /* "Not in this table": and there is no other. */
        return VM_ROUTE_UNREACHABLE;
    default:
        return 0;
    }
}

enum { DST, OIF, GATEWAY, VIA, MULTIPATH, PRIORITY, TABLE, N_ROUTE_ATTRS };

static bool parse_hops(const struct rtmsg *rtm, enum ip_version version,
                       const struct attr *a, struct rtnl_route *r)
{
    struct rtnl_hop hop = {.weight = 1};

    if (r->kind != VM_ROUTE_UNICAST) {
        return true;
    }
    if (a[MULTIPATH].p) {
        if (!parse_multipath(a[MULTIPATH], version, r)) {
            return false;
        }
    } else if (!hop_gateway(a[GATEWAY], a[VIA], version, &hop.gateway)) {
        return false;
    } else if (a[OIF].p) {
        hop.ifindex = attr_u32(a[OIF]);
        route_add_hop(r, rtm->rtm_flags, hop);
    }
    route_normalize(r);
    return true;
}

static enum rtnl_result parse_route(struct cursor c, struct rtnl_msg *m)
{
    static const struct policy policy[N_ROUTE_ATTRS] = {
        [DST] = {RTA_DST, 4},
        [OIF] = {RTA_OIF, 4},
        [GATEWAY] = {RTA_GATEWAY, 4},
        [VIA] = {RTA_VIA, 2 + 4},
        [MULTIPATH] = {RTA_MULTIPATH, 0},
        [PRIORITY] = {RTA_PRIORITY, 4},
        [TABLE] = {RTA_TABLE, 4},
    };
    struct attr a[N_ROUTE_ATTRS];
    struct rtmsg rtm;

    if (!cursor_copy(&c, &rtm, sizeof rtm) ||
        !attrs_parse(c, policy, N_ROUTE_ATTRS, a)) {
        return RTNL_MALFORMED;
    }
    enum ip_version version = family_version(rtm.rtm_family);
    uint32_t table = a[TABLE].p ? attr_u32(a[TABLE]) : rtm.rtm_table;
    uint8_t kind = route_kind(rtm.rtm_type);
    /* A route for one TOS or one source only cannot be told apart by destination. */
    if (!version || table != RT_TABLE_MAIN || (rtm.rtm_flags & RTM_F_CLONED) ||
        rtm.rtm_tos || rtm.rtm_src_len || !kind) {
        return RTNL_IGNORE;
    }
    struct rtnl_route *r = &m->route;
    m->kind = version == IP_V4 ? RTNL_ROUTE4 : RTNL_ROUTE6;
    r->prefix.plen = rtm.rtm_dst_len;
    r->prefix.addr = (struct ip_addr){.version = version};
    r->kind = kind;
    r->protocol = rtm.rtm_protocol;
    r->metric = a[PRIORITY].p ? attr_u32(a[PRIORITY]) : 0;
    r->n_hops = 0;
    if (rtm.rtm_dst_len > ip_width(version) || (rtm.rtm_dst_len && !a[DST].p) ||
        (a[DST].p && !attr_addr(a[DST], version, &r->prefix.addr)) ||
        !parse_hops(&rtm, version, a, r)) {
        return RTNL_MALFORMED;
    }
    prefix_canonicalize(&r->prefix);
    /* Present on every interface at once, and never forwarded. */
    bool unroutable =
        ip_is_multicast(&r->prefix.addr) ||
        (version == IP_V6 && r->prefix.plen && ip_is_link_local(&r->prefix.addr));
    return unroutable ? RTNL_IGNORE : RTNL_OK;
}

/* Neighbours. */

static enum rtnl_result parse_neigh(struct cursor c, struct rtnl_msg *m)
{
    enum { DST_, LLADDR, N };
    static const struct policy policy[N] = {
        [DST_] = {NDA_DST, 4}, [LLADDR] = {NDA_LLADDR, 0}};
    const uint16_t valid =
        NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
    struct attr a[N];
    struct ndmsg ndm;

    if (!cursor_copy(&c, &ndm, sizeof ndm) || !attrs_parse(c, policy, N, a)) {
        return RTNL_MALFORMED;
    }
    enum ip_version version = family_version(ndm.ndm_family);
    if (!version || (ndm.ndm_flags & NTF_PROXY)) {
        return RTNL_IGNORE;
    }
    struct rtnl_neigh *r = &m->neigh;
    *r = (struct rtnl_neigh){.ifindex = (uint32_t)ndm.ndm_ifindex};
    if (!a[DST_].p || !attr_addr(a[DST_], version, &r->addr) || ndm.ndm_ifindex <= 0) {
        return RTNL_MALFORMED;
    }
    if (ip_is_multicast(&r->addr)) {
        return RTNL_IGNORE;
    }
    m->kind = RTNL_NEIGH;
    if (!m->del) {
        r->nud_state = ndm.ndm_state;
        if ((ndm.ndm_state & valid) && a[LLADDR].n == sizeof r->hwaddr) {
            memcpy(&r->hwaddr, a[LLADDR].p, sizeof r->hwaddr);
        }
        /* A broadcast address has a NOARP entry with a broadcast MAC. */
        r->usable = !eth_is_zero(r->hwaddr) && !eth_is_multicast(r->hwaddr);
    }
    return RTNL_OK;
}

static enum rtnl_result parse_nexthop(struct cursor c, struct rtnl_msg *m)
{
    struct nhmsg nhm;

    m->kind = RTNL_NEXTHOP;
    return cursor_copy(&c, &nhm, sizeof nhm) ? RTNL_OK : RTNL_MALFORMED;
}

/* Messages. */

static const struct {
    uint16_t add, del;
    enum rtnl_result (*parse)(struct cursor, struct rtnl_msg *);
} types[] = {
    {RTM_NEWROUTE, RTM_DELROUTE, parse_route},
    {RTM_NEWNEIGH, RTM_DELNEIGH, parse_neigh},
    {RTM_NEWADDR, RTM_DELADDR, parse_addr},
    {RTM_NEWLINK, RTM_DELLINK, parse_link},
    {RTM_NEWNEXTHOP, RTM_DELNEXTHOP, parse_nexthop},
};

bool rtnl_header(struct cursor msg, struct nlmsghdr *ret)
{
    return cursor_copy(&msg, ret, sizeof *ret);
}

enum rtnl_result rtnl_parse(const void *msg, size_t n, struct rtnl_msg *ret)
{
    struct cursor c = cursor_of(msg, n);
    struct cursor body;
    struct nlmsghdr h;
    struct rtnl_msg m;

    if (!cursor_copy(&c, &h, sizeof h) || h.nlmsg_len < sizeof h ||
        !cursor_sub(&c, h.nlmsg_len - sizeof h, &body)) {
        return RTNL_MALFORMED;
    }
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (h.nlmsg_type == types[i].add || h.nlmsg_type == types[i].del) {
            m.del = h.nlmsg_type == types[i].del;
            m.replace = !m.del && (h.nlmsg_flags & NLM_F_REPLACE);
            m.append = !m.del && (h.nlmsg_flags & NLM_F_APPEND);
            enum rtnl_result result = types[i].parse(body, &m);
            if (result == RTNL_OK) {
                *ret = m;
            }
            return result;
        }
    }
    return RTNL_IGNORE;
}

bool rtnl_next(struct cursor *datagram, struct cursor *ret_msg)
{
    struct cursor c = *datagram;
    struct nlmsghdr h;

    if (!rtnl_header(c, &h) || h.nlmsg_len < sizeof h ||
        !cursor_sub(&c, h.nlmsg_len, ret_msg)) {
        return false;
    }
    cursor_pad(&c, h.nlmsg_len);
    *datagram = c;
    return true;
}
