#include "wire/record.h"

#include <string.h>

#include "base/util.h"
#include "record_tag.h"

/* Each get_…() returns NULL or what is wrong. */

static const char short_error[] = "record is cut short";

static const char *get_port(struct cursor *c, uint32_t *ret)
{
    return !cursor_u32(c, ret) ? short_error : !*ret ? "port number is 0" : NULL;
}

static const char *get_addr(struct cursor *c, uint8_t version, struct ip_addr *ret)
{
    const uint8_t *p;

    if (!cursor_bytes(c, ip_width(version) / 8, &p)) {
        return short_error;
    }
    *ret = ip_from_bytes(version, p);
    return NULL;
}

static const char *get_plen(struct cursor *c, uint8_t version, uint8_t *ret)
{
    return !cursor_u8(c, ret)         ? short_error
           : *ret > ip_width(version) ? "prefix length out of range"
                                      : NULL;
}

static const char *get_prefix(struct cursor *c, uint8_t version, struct ip_prefix *ret)
{
    const char *error = get_plen(c, version, &ret->plen);

    if (error) {
        return error;
    }
    ret->addr = (struct ip_addr){.version = version};
    if (!cursor_copy(c, ret->addr.bytes, (ret->plen + 7u) / 8)) {
        return short_error;
    }
    return prefix_is_canonical(ret) ? NULL : "prefix has bits beyond its length";
}

static const char *get_vm_port(struct cursor *c, struct record *r)
{
    struct vm_port *p = &r->vm_port;
    uint8_t flags, n;
    const char *error;

    memset(p, 0, sizeof *p);
    if ((error = get_port(c, &p->vm_port)) || r->remove) {
        return error;
    }
    if (!cursor_eth(c, &p->hwaddr) || !cursor_u32(c, &p->mtu) ||
        !cursor_u8(c, &flags) || !cursor_u8(c, &n)) {
        return short_error;
    }
    if (flags > 3) {
        return "unknown port flags";
    }
    if (n >= VM_IFNAME_LEN) {
        return "interface name is too long";
    }
    if (!cursor_copy(c, p->name, n)) {
        return short_error;
    }
    for (unsigned i = 0; i < n; i++) {
        if (p->name[i] <= ' ' || p->name[i] == 0x7f) {
            return "interface name is not printable";
        }
    }
    p->admin_up = flags & 1;
    p->carrier = flags & 2;
    return NULL;
}

static const char *get_vm_addr(struct cursor *c, uint8_t version, struct record *r)
{
    struct vm_addr *a = &r->vm_addr;
    const char *error;

    memset(a, 0, sizeof *a);
    (void)((error = get_port(c, &a->vm_port)) ||
           (error = get_plen(c, version, &a->addr.plen)) ||
           (error = get_addr(c, version, &a->addr.addr)));
    return error;
}

static const char *get_hop(struct cursor *c, struct vm_hop *hop)
{
    const char *error = get_port(c, &hop->vm_port);
    uint8_t version;

    if (error) {
        return error;
    }
    if (!cursor_u16(c, &hop->weight) || !cursor_u8(c, &version)) {
        return short_error;
    }
    if (!hop->weight) {
        return "next hop has weight 0";
    }
    if (version != IP_NONE && version != IP_V4 && version != IP_V6) {
        return "gateway of unknown address family";
    }
    hop->gateway = (struct ip_addr){0};
    return version ? get_addr(c, version, &hop->gateway) : NULL;
}

static const char *get_vm_route(struct cursor *c, uint8_t version, struct record *r)
{
    struct vm_route *route = &r->vm_route;
    uint8_t kind, n;
    const char *error;

    route->n_hops = 0;
    if ((error = get_prefix(c, version, &route->prefix)) || r->remove) {
        return error;
    }
    if (!cursor_u8(c, &kind) || !cursor_u32(c, &route->metric) ||
        !cursor_u8(c, &route->protocol) || !cursor_u8(c, &n)) {
        return short_error;
    }
    if (kind < VM_ROUTE_UNICAST || kind > VM_ROUTE_UNREACHABLE) {
        return "unknown kind of route";
    }
    if (n > VM_MAX_HOPS || (kind == VM_ROUTE_UNICAST) != (n > 0)) {
        return "number of next hops out of range";
    }
    route->kind = (enum vm_route_kind)kind;
    for (unsigned i = 0; i < n; i++) {
        if ((error = get_hop(c, &route->hops[i]))) {
            return error;
        }
    }
    route->n_hops = n;
    return NULL;
}

static const char *get_vm_neigh(struct cursor *c, uint8_t version, struct record *r)
{
    struct vm_neigh *n = &r->vm_neigh;
    const char *error;

    memset(n, 0, sizeof *n);
    if ((error = get_port(c, &n->vm_port)) ||
        (error = get_addr(c, version, &n->addr))) {
        return error;
    }
    return r->remove || cursor_eth(c, &n->hwaddr) ? NULL : short_error;
}

static const char *get_plane_port(struct cursor *c, struct plane_change *change)
{
    uint8_t class;
    const char *error = get_port(c, &change->port.dp_port);

    change->port.class = PORT_PROBING;
    change->port.mac = (struct eth_addr){{0}};
    if (error || change->remove) {
        return error;
    }
    if (!cursor_u8(c, &class) || !cursor_eth(c, &change->port.mac)) {
        return short_error;
    }
    change->port.class = (enum port_class) class;
    return class <= PORT_INSIDE ? NULL : "unknown port class";
}

static const char *get_group(struct cursor *c, struct plane_change *change)
{
    struct fib_group *g = &change->group;
    uint8_t n;

    g->n_hops = g->mtu = 0;
    if (!cursor_u32(c, &g->id)) {
        return short_error;
    }
    if (!g->id || g->id > 0x7fffffff) {
        return "group id out of range";
    }
    if (change->remove) {
        return NULL;
    }
    if (!cursor_u16(c, &g->mtu) || !cursor_u8(c, &n)) {
        return short_error;
    }
    if (n > VM_MAX_HOPS) {
        return "number of next hops out of range";
    }
    for (unsigned i = 0; i < n; i++) {
        struct fib_hop *hop = &g->hops[i];
        const char *error = get_port(c, &hop->dp_port);
        if (error) {
            return error;
        }
        if (!cursor_u16(c, &hop->weight) || !cursor_eth(c, &hop->src) ||
            !cursor_eth(c, &hop->dst)) {
            return short_error;
        }
        if (!hop->weight && !(i == 1 && n == 2)) {
            return "next hop has weight 0";
        }
    }
    g->n_hops = n;
    return NULL;
}

static const char *get_fib(struct cursor *c, uint8_t version,
                           struct plane_change *change)
{
    struct fib_target *target = &change->fib.target;
    const char *error = get_prefix(c, version, &change->fib.prefix);

    *target = (struct fib_target){0};
    if (error || change->remove) {
        return error;
    }
    if (!cursor_u8(c, &target->verdict)) {
        return short_error;
    }
    if (target->verdict < FIB_GROUP || target->verdict > FIB_DROP) {
        return "unknown FIB verdict";
    }
    if (target->verdict != FIB_GROUP) {
        return NULL;
    }
    if (!cursor_u32(c, &target->group)) {
        return short_error;
    }
    return target->group && target->group <= 0x7fffffff ? NULL
                                                        : "group id out of range";
}

static const char *get_transit(struct cursor *c, struct plane_transit *ret, bool remove)
{
    *ret = (struct plane_transit){0};
    if (!cursor_eth(c, &ret->src) || !cursor_eth(c, &ret->dst)) {
        return short_error;
    }
    return remove ? NULL : get_port(c, &ret->dp_port);
}

static const char *get_plane(struct cursor *c, uint8_t version, unsigned kind,
                             struct record *r)
{
    r->plane.kind = (enum plane_kind)kind;
    r->plane.remove = r->remove;
    r->plane.urgent = r->urgent;
    switch (r->plane.kind) {
    case PLANE_PORT:
        return get_plane_port(c, &r->plane);
    case PLANE_ADDR:
        return get_addr(c, version, &r->plane.addr.addr);
    case PLANE_GROUP:
        return get_group(c, &r->plane);
    case PLANE_FIB:
        return get_fib(c, version, &r->plane);
    case PLANE_TRANSIT:
        return get_transit(c, &r->plane.transit, r->remove);
    }
    return "unknown kind of record";
}

static const char *get_relay(struct cursor *c, struct record_relay *r)
{
    const char *error;

    if (!cursor_u32(c, &r->dp.ct_id) || !cursor_u64(c, &r->dp.dp_id)) {
        return short_error;
    }
    if ((error = get_port(c, &r->dp.dp_port))) {
        return error;
    }
    return cursor_u64(c, &r->vs.vs_id) ? get_port(c, &r->vs.vs_port) : short_error;
}

static const char *get_carrier(struct cursor *c, struct record_carrier *carrier)
{
    uint8_t off;
    const char *error = get_port(c, &carrier->vs_port);

    if (error) {
        return error;
    }
    if (!cursor_u8(c, &off)) {
        return short_error;
    }
    carrier->off = off;
    return off <= 1 ? NULL : "carrier is neither on nor off";
}

const char *record_get(struct cursor *c, struct record *ret)
{
    uint8_t tag;

    if (!cursor_u8(c, &tag)) {
        return short_error;
    }
    uint8_t version = tag & TAG_V6 ? IP_V6 : IP_V4;
    unsigned kind = tag & TAG_KIND;
    ret->remove = tag & TAG_REMOVE;
    ret->urgent = tag & TAG_URGENT;
    if (ret->urgent && kind != REC_VM_ROUTE && kind != REC_N_KINDS + PLANE_FIB) {
        return "urgent, which a record of its kind cannot be";
    }
    if (kind > REC_N_KINDS) {
        ret->kind = REC_PLANE;
        return get_plane(c, version, kind - REC_N_KINDS, ret);
    }
    ret->kind = (enum record_kind)kind;
    switch (ret->kind) {
    case REC_BEGIN:
    case REC_END:
        return NULL;
    case REC_VM_PORT:
        return get_vm_port(c, ret);
    case REC_VM_ADDR:
        return get_vm_addr(c, version, ret);
    case REC_VM_ROUTE:
        return get_vm_route(c, version, ret);
    case REC_VM_NEIGH:
        return get_vm_neigh(c, version, ret);
    case REC_RELAY:
        return get_relay(c, &ret->relay);
    case REC_VLINK: {
        const char *error = get_port(c, &ret->vlink.from);
        return error ? error : get_port(c, &ret->vlink.to);
    }
    case REC_CARRIER:
        return get_carrier(c, &ret->carrier);
    case REC_PLANE:
    case REC_N_KINDS:
        break;
    }
    return "unknown kind of record";
}

const char *record_check(const void *data, size_t n)
{
    struct cursor c = cursor_of(data, n);
    struct record r;
    const char *error = NULL;

    while (c.n && !error) {
        error = record_get(&c, &r);
    }
    return error;
}
