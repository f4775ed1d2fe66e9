#include "wire/record.h"

#include <string.h>

#include "base/util.h"
#include "record_tag.h"

static void put_tag(struct buf *b, enum record_kind kind, bool remove, uint8_t version,
                    bool urgent)
{
    buf_put_u8(b,
               (uint8_t)(kind | (remove ? TAG_REMOVE : 0) |
                         (version == IP_V6 ? TAG_V6 : 0) | (urgent ? TAG_URGENT : 0)));
}

static void put_prefix(struct buf *b, const struct ip_prefix *p)
{
    buf_put_u8(b, p->plen);
    buf_put(b, p->addr.bytes, (p->plen + 7u) / 8);
}

static void put_addr(struct buf *b, const struct ip_addr *a)
{
    buf_put(b, a->bytes, ip_width(a->version) / 8);
}

void record_put_begin(struct buf *b)
{
    put_tag(b, REC_BEGIN, false, 0, false);
}

void record_put_end(struct buf *b)
{
    put_tag(b, REC_END, false, 0, false);
}

void record_put_vm_port(struct buf *b, const struct vm_port *p, bool remove)
{
    put_tag(b, REC_VM_PORT, remove, 0, false);
    buf_put_u32(b, p->vm_port);
    if (!remove) {
        size_t n = strnlen(p->name, VM_IFNAME_LEN - 1);
        buf_put_eth(b, p->hwaddr);
        buf_put_u32(b, p->mtu);
        buf_put_u8(b, (uint8_t)(p->admin_up | p->carrier << 1));
        buf_put_u8(b, (uint8_t)n);
        buf_put(b, p->name, n);
    }
}

void record_put_vm_addr(struct buf *b, const struct vm_addr *a, bool remove)
{
    put_tag(b, REC_VM_ADDR, remove, a->addr.addr.version, false);
    buf_put_u32(b, a->vm_port);
    buf_put_u8(b, a->addr.plen);
    put_addr(b, &a->addr.addr);
}

void record_put_vm_route(struct buf *b, const struct vm_route *r, bool remove,
                         bool urgent)
{
    put_tag(b, REC_VM_ROUTE, remove, r->prefix.addr.version, urgent);
    put_prefix(b, &r->prefix);
    if (remove) {
        return;
    }
    buf_put_u8(b, (uint8_t)r->kind);
    buf_put_u32(b, r->metric);
    buf_put_u8(b, r->protocol);
    buf_put_u8(b, (uint8_t)r->n_hops);
    for (unsigned i = 0; i < r->n_hops; i++) {
        const struct vm_hop *hop = &r->hops[i];
        buf_put_u32(b, hop->vm_port);
        buf_put_u16(b, MAX(hop->weight, 1));
        buf_put_u8(b, hop->gateway.version);
        put_addr(b, &hop->gateway);
    }
}

void record_put_vm_neigh(struct buf *b, const struct vm_neigh *n, bool remove)
{
    put_tag(b, REC_VM_NEIGH, remove, n->addr.version, false);
    buf_put_u32(b, n->vm_port);
    put_addr(b, &n->addr);
    if (!remove) {
        buf_put_eth(b, n->hwaddr);
    }
}

static void put_group(struct buf *b, const struct fib_group *g, bool remove)
{
    buf_put_u32(b, g->id);
    if (remove) {
        return;
    }
    buf_put_u16(b, g->mtu);
    buf_put_u8(b, (uint8_t)g->n_hops);
    for (unsigned i = 0; i < g->n_hops; i++) {
        buf_put_u32(b, g->hops[i].dp_port);
        buf_put_u16(b, g->hops[i].weight);
        buf_put_eth(b, g->hops[i].src);
        buf_put_eth(b, g->hops[i].dst);
    }
}

static void put_fib(struct buf *b, const struct fib_entry *e, bool remove)
{
    put_prefix(b, &e->prefix);
    if (!remove) {
        buf_put_u8(b, e->target.verdict);
        if (e->target.verdict == FIB_GROUP) {
            buf_put_u32(b, e->target.group);
        }
    }
}

/* The plane kinds follow the record kinds, so that a FIB entry has one tag octet. */
static void put_plane_tag(struct buf *b, const struct plane_change *c, uint8_t version)
{
    put_tag(b, (enum record_kind)(REC_N_KINDS + c->kind), c->remove, version,
            c->kind == PLANE_FIB && c->urgent);
}

void record_put_plane(struct buf *b, const struct plane_change *c)
{
    switch (c->kind) {
    case PLANE_PORT:
        put_plane_tag(b, c, 0);
        buf_put_u32(b, c->port.dp_port);
        if (!c->remove) {
            buf_put_u8(b, (uint8_t)c->port.class);
            buf_put_eth(b, c->port.mac);
        }
        break;
    case PLANE_ADDR:
        put_plane_tag(b, c, c->addr.addr.version);
        put_addr(b, &c->addr.addr);
        break;
    case PLANE_GROUP:
        put_plane_tag(b, c, 0);
        put_group(b, &c->group, c->remove);
        break;
    case PLANE_FIB:
        put_plane_tag(b, c, c->fib.prefix.addr.version);
        put_fib(b, &c->fib, c->remove);
        break;
    case PLANE_TRANSIT:
        put_plane_tag(b, c, 0);
        buf_put_eth(b, c->transit.src);
        buf_put_eth(b, c->transit.dst);
        if (!c->remove) {
            buf_put_u32(b, c->transit.dp_port);
        }
        break;
    }
}

void record_put_relay(struct buf *b, const struct record_relay *r, bool remove)
{
    put_tag(b, REC_RELAY, remove, 0, false);
    buf_put_u32(b, r->dp.ct_id);
    buf_put_u64(b, r->dp.dp_id);
    buf_put_u32(b, r->dp.dp_port);
    buf_put_u64(b, r->vs.vs_id);
    buf_put_u32(b, r->vs.vs_port);
}

void record_put_vlink(struct buf *b, const struct record_vlink *v, bool remove)
{
    put_tag(b, REC_VLINK, remove, 0, false);
    buf_put_u32(b, v->from);
    buf_put_u32(b, v->to);
}

void record_put_carrier(struct buf *b, const struct record_carrier *c)
{
    put_tag(b, REC_CARRIER, false, 0, false);
    buf_put_u32(b, c->vs_port);
    buf_put_u8(b, c->off);
}

void record_put(struct buf *b, const struct record *r)
{
    switch (r->kind) {
    case REC_BEGIN:
        record_put_begin(b);
        break;
    case REC_END:
        record_put_end(b);
        break;
    case REC_VM_PORT:
        record_put_vm_port(b, &r->vm_port, r->remove);
        break;
    case REC_VM_ADDR:
        record_put_vm_addr(b, &r->vm_addr, r->remove);
        break;
    case REC_VM_ROUTE:
        record_put_vm_route(b, &r->vm_route, r->remove, r->urgent);
        break;
    case REC_VM_NEIGH:
        record_put_vm_neigh(b, &r->vm_neigh, r->remove);
        break;
    case REC_PLANE:
        record_put_plane(b, &r->plane);
        break;
    case REC_RELAY:
        record_put_relay(b, &r->relay, r->remove);
        break;
    case REC_VLINK:
        record_put_vlink(b, &r->vlink, r->remove);
        break;
    case REC_CARRIER:
        record_put_carrier(b, &r->carrier);
        break;
    case REC_N_KINDS:
        break;
    }
}
