#include "netlink/rtnl.h"

#include "base/buf.h"

static void format_link(const struct rtnl_link *r, struct buf *b)
{
    buf_printf(b, "link %u name %s mac " ETH_FMT " mtu %u %s %s", r->ifindex, r->name,
               ETH_ARGS(r->hwaddr), r->mtu, r->admin_up ? "up" : "down",
               r->carrier ? "carrier" : "no-carrier");
}

static void format_addr(const struct rtnl_addr *r, struct buf *b)
{
    char text[IP_PREFIX_STRLEN];

    buf_printf(b, "addr %s if %u", prefix_format(&r->addr, text), r->ifindex);
}

static void format_route(const struct rtnl_route *r, struct buf *b)
{
    static const char *const kinds[] = {
        [VM_ROUTE_UNICAST] = "unicast",
        [VM_ROUTE_BLACKHOLE] = "blackhole",
        [VM_ROUTE_UNREACHABLE] = "unreachable",
    };
    char text[IP_PREFIX_STRLEN];

    buf_printf(b, "route %s %s metric %u proto %u", prefix_format(&r->prefix, text),
               kinds[r->kind], r->metric, r->protocol);
    for (uint16_t i = 0; i < r->n_hops; i++) {
        const struct rtnl_hop *hop = &r->hops[i];
        char via[IP_STRLEN];
        buf_printf(b, " [if %u", hop->ifindex);
        if (hop->gateway.version) {
            buf_printf(b, " via %s", ip_format(&hop->gateway, via));
        }
        buf_printf(b, " weight %u]", hop->weight);
    }
}

static void format_neigh(const struct rtnl_neigh *r, struct buf *b)
{
    char text[IP_STRLEN];

    buf_printf(b, "neigh %s if %u", ip_format(&r->addr, text), r->ifindex);
    if (r->usable) {
        buf_printf(b, " mac " ETH_FMT, ETH_ARGS(r->hwaddr));
    }
    buf_printf(b, " state 0x%x", r->nud_state);
}

void rtnl_format(const struct rtnl_msg *m, struct buf *b)
{
    buf_printf(b, m->del       ? "del "
                  : m->replace ? "replace "
                  : m->append  ? "append "
                               : "new ");
    switch (m->kind) {
    case RTNL_LINK:
        format_link(&m->link, b);
        break;
    case RTNL_ADDR:
        format_addr(&m->addr, b);
        break;
    case RTNL_ROUTE4:
    case RTNL_ROUTE6:
        format_route(&m->route, b);
        break;
    case RTNL_NEIGH:
        format_neigh(&m->neigh, b);
        break;
    case RTNL_NEXTHOP:
        buf_printf(b, "nexthop");
        break;
    }
}
