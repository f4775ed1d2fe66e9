/* The virtual plane: which frames of RFVS go where, and which ports have carrier.
 *
 * Two directions of a virtual link exist while the real link is confirmed and both of
 * its ports have active associations in one RFVS.  Likewise between any two ports of a
 * segment that hear each other.  A port loses carrier while its
 * datapath port is down (the association says so), and, while active, after its
 * confirmed link was lost, until it is confirmed again or the port goes down and up, or
 * is on a segment.  On a segment nobody's carrier depends on the others. */

#include "server.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "wire/record.h"

/* A session that does not take this much is better served by a full download. */
#define OUTBOX_MAX (16 * WIRE_BATCH_MAX)

struct buf *vplane_outbox(struct server *s, uint64_t vs_id)
{
    struct server_vs *vs = vs_find(s, vs_id);

    if (!vs || vs->phase == PLANE_IDLE || vs->phase == PLANE_BEGIN) {
        return NULL;
    }
    if (vs->outbox.len > OUTBOX_MAX) {
        vplane_start(vs);
        return NULL;
    }
    return &vs->outbox;
}

/* rfvs may know of a port before it does, hence the virtual switch need not be there.
 */
static struct server_vs *vs_of(struct server *s, struct vs_key key)
{
    return vs_find(s, key.vs_id);
}

static bool vlink_has(const struct server_vlink *v, uint32_t to)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->to[i] == to) {
            return true;
        }
    }
    return false;
}

/* Appends records of those targets of `v` that `other` does not have. */
static void put_difference(struct buf *out, const struct server_vlink *v,
                           const struct server_vlink *other, bool remove)
{
    for (size_t i = 0; i < v->n; i++) {
        if (!vlink_has(other, v->to[i])) {
            record_put_vlink(out, &(struct record_vlink){v->from, v->to[i]}, remove);
        }
    }
}

/* `wanted` without targets: nothing starts there. */
static void vlink_set(struct server *s, uint64_t vs_id,
                      const struct server_vlink *wanted)
{
    static const struct server_vlink none = {0};
    struct server_vs *vs = vs_find(s, vs_id);
    struct buf *out = vplane_outbox(s, vs_id);
    struct server_vlink *v;

    if (!vs) {
        return;
    }
    HASH_FIND(hh, vs->vlinks, &wanted->from, sizeof wanted->from, v);
    if (out) {
        put_difference(out, v ? v : &none, wanted, true);
        put_difference(out, wanted, v ? v : &none, false);
    }
    if (v && !wanted->n) {
        HASH_DEL(vs->vlinks, v);
        free(v);
    } else if (wanted->n) {
        if (!v) {
            v = xcalloc(1, sizeof *v);
            v->from = wanted->from;
            HASH_ADD(hh, vs->vlinks, from, sizeof v->from, v);
        }
        v->n = wanted->n;
        memcpy(v->to, wanted->to, wanted->n * sizeof *v->to);
    }
}

static void vlink_clear(struct server *s, struct vs_key from)
{
    vlink_set(s, from.vs_id, &(struct server_vlink){.from = from.vs_port});
}

/* Where frames go that enter at `row`'s RFVS port. */
static void vlink_targets(struct server *s, const struct assoc_row *row,
                          struct server_vlink *ret)
{
    struct dp_key peers[VLINK_MAX];
    size_t n = 0;

    ret->n = 0;
    if (row && row->state == ASSOC_ACTIVE) {
        n = ports_link(s, row->dp, peers) ? 1 : ports_pairs(s, row->dp, peers);
    }
    for (size_t i = 0; i < n; i++) {
        const struct assoc_row *other = assoc_by_dp(s->assoc, peers[i]);
        if (other && other->state == ASSOC_ACTIVE && other->vs.vs_id == row->vs.vs_id) {
            ret->to[ret->n++] = other->vs.vs_port;
        }
    }
}

static struct server_carrier *carrier_get(struct server_vs *vs, uint32_t vs_port)
{
    struct server_carrier *c;

    HASH_FIND(hh, vs->no_carrier, &vs_port, sizeof vs_port, c);
    if (!c) {
        c = xcalloc(1, sizeof *c);
        c->vs_port = vs_port;
        HASH_ADD(hh, vs->no_carrier, vs_port, sizeof c->vs_port, c);
    }
    return c;
}

static void carrier_set(struct server *s, struct vs_key key, bool by_link, bool off)
{
    struct server_vs *vs = vs_of(s, key);
    struct buf *out = vplane_outbox(s, key.vs_id);

    if (!vs) {
        return;
    }
    struct server_carrier *c = carrier_get(vs, key.vs_port);
    bool was_off = c->association || c->link;
    *(by_link ? &c->link : &c->association) = off;
    bool is_off = c->association || c->link;
    if (!is_off) {
        HASH_DEL(vs->no_carrier, c);
        free(c);
    }
    if (is_off != was_off && out) {
        record_put_carrier(
            out, &(struct record_carrier){.vs_port = key.vs_port, .off = is_off});
    }
}

void vplane_carrier(struct server *s, struct vs_key key, bool on)
{
    carrier_set(s, key, false, !on);
}

static void refresh_port(struct server *s, struct dp_key dp)
{
    const struct assoc_row *row = assoc_by_dp(s->assoc, dp);
    const struct server_dp_port *port = dp_port_find(s, dp);
    struct vm_key vm;
    struct vs_key vs;
    bool carrier;

    /* The wire outlives the association: that is what is left to be undone. */
    if ((row && assoc_has_vm(row) && (vm = row->vm, true)) ||
        assoc_configured_vm(s->assoc, dp, &vm)) {
        if (assoc_wire(s->assoc, vm, &vs, &carrier)) {
            /* Not before it is active: without carrier it could not become so. */
            carrier_set(s, vs, true,
                        port && port->link_lost && row && row->state == ASSOC_ACTIVE &&
                            ports_class(s, dp) == PORT_INTERNAL);
            struct server_vlink wanted = {.from = vs.vs_port};
            vlink_targets(s, row, &wanted);
            vlink_set(s, vs.vs_id, &wanted);
        }
    }
}

void vplane_refresh(struct server *s, struct dp_key dp)
{
    struct dp_key peers[VLINK_MAX];
    size_t n = topo_peer(s->topo, dp, peers)
                   ? 1
                   : MIN(topo_pairs_of(s->topo, dp, peers, VLINK_MAX), VLINK_MAX);

    refresh_port(s, dp);
    for (size_t i = 0; i < n; i++) {
        refresh_port(s, peers[i]);
    }
}

/* A row left this RFVS port (it moved, or its port is gone): nothing starts from it. */
void vplane_release(struct server *s, struct vs_key key)
{
    if (!assoc_by_vs(s->assoc, key)) {
        vlink_clear(s, key);
        carrier_set(s, key, true, false);
    }
}

/* Another port may have this number next: whatever was wanted of the old one ends. */
void vplane_port_gone(struct server *s, struct vs_key key)
{
    vlink_clear(s, key);
    carrier_set(s, key, true, false);
    carrier_set(s, key, false, false);
}

void vplane_clear(struct server_vs *vs)
{
    struct server_vlink *v, *vtmp;
    struct server_carrier *c, *ctmp;

    HASH_ITER (hh, vs->vlinks, v, vtmp) {
        HASH_DEL(vs->vlinks, v);
        free(v);
    }
    HASH_ITER (hh, vs->no_carrier, c, ctmp) {
        HASH_DEL(vs->no_carrier, c);
        free(c);
    }
}

void vplane_start(struct server_vs *vs)
{
    buf_clear(&vs->outbox);
    vs->phase = PLANE_BEGIN;
    server_wake(vs->server);
}

static void put_all(struct server_vs *vs)
{
    static const struct server_vlink none = {0};
    struct server_vlink *v, *vtmp;
    struct server_carrier *c, *ctmp;

    buf_clear(&vs->outbox);
    record_put_begin(&vs->outbox);
    HASH_ITER (hh, vs->no_carrier, c, ctmp) {
        record_put_carrier(
            &vs->outbox, &(struct record_carrier){.vs_port = c->vs_port, .off = true});
    }
    HASH_ITER (hh, vs->vlinks, v, vtmp) {
        put_difference(&vs->outbox, v, &none, false);
    }
    relay_put_all(vs->server, vs->id, &vs->outbox);
    vs->phase = PLANE_OPEN;
}

static void vs_flush(struct server_vs *vs)
{
    if (vs->phase == PLANE_BEGIN) {
        put_all(vs);
    }
    if (vs->phase == PLANE_OPEN && server_settled(vs->server)) {
        record_put_end(&vs->outbox);
        vs->phase = PLANE_DONE;
    }
    batch_send_all(vs->peer, vs->id, &vs->outbox);
}

void vplane_flush(struct server *s)
{
    struct server_vs *vs, *tmp;

    HASH_ITER (hh, s->vss, vs, tmp) {
        if (vs->peer && vs->phase != PLANE_IDLE) {
            vs_flush(vs);
        }
    }
}

size_t vplane_count_vlinks(struct server *s)
{
    struct server_vs *vs, *tmp;
    size_t n = 0;

    HASH_ITER (hh, s->vss, vs, tmp) {
        n += HASH_COUNT(vs->vlinks);
    }
    return n;
}

const struct server_vlink *vplane_vlink(struct server *s, struct vs_key from)
{
    struct server_vs *vs = vs_of(s, from);
    struct server_vlink *v = NULL;

    if (vs) {
        HASH_FIND(hh, vs->vlinks, &from.vs_port, sizeof from.vs_port, v);
    }
    return v;
}

bool vplane_joins(struct server *s, struct vs_key from, struct vs_key to)
{
    const struct server_vlink *v = vplane_vlink(s, from);

    return v && from.vs_id == to.vs_id && vlink_has(v, to.vs_port);
}

bool vplane_has_carrier(struct server *s, struct vs_key key)
{
    struct server_vs *vs = vs_of(s, key);
    struct server_carrier *c = NULL;

    if (vs) {
        HASH_FIND(hh, vs->no_carrier, &key.vs_port, sizeof key.vs_port, c);
    }
    return !c;
}
