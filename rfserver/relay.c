/* The slow path's map: which datapath port and RFVS port exchange frames.
 *
 * Proxies are told of every active row: a packet that a switch punts belongs to the VM
 * port of the port it came in by.  rfvs is told of edge ports only: there, and nowhere
 * else, may what the VM sends leave by the real port. */

#include "server.h"

#include <stdlib.h>

#include "base/util.h"
#include "wire/record.h"

static struct server_relay *relay_find(struct server *s, struct dp_key dp)
{
    struct server_relay *r;
    HASH_FIND(hh, s->relays, &dp, sizeof dp, r);
    return r;
}

static void tell_proxy(struct server *s, const struct server_relay *r, bool remove)
{
    struct server_proxy *proxy = proxy_find(s, r->dp.ct_id);

    if (proxy && proxy->phase != PLANE_BEGIN) {
        record_put_relay(&proxy->outbox,
                         &(struct record_relay){.dp = r->dp, .vs = r->vs}, remove);
        if (proxy->outbox.len > WIRE_BATCH_MAX) {
            proxy->phase = PLANE_BEGIN; /* It does not read: all of it, later. */
        }
    }
}

static void set_edge(struct server *s, struct server_relay *r, bool edge)
{
    struct buf *out = r->edge != edge ? vplane_outbox(s, r->vs.vs_id) : NULL;

    if (out) {
        record_put_relay(out, &(struct record_relay){.dp = r->dp, .vs = r->vs}, !edge);
    }
    r->edge = edge;
}

void relay_refresh(struct server *s, struct dp_key dp)
{
    const struct assoc_row *row = assoc_by_dp(s->assoc, dp);
    struct server_relay *r = relay_find(s, dp);
    bool active = row && row->state == ASSOC_ACTIVE;

    if (r && (!active || !vs_key_equal(r->vs, row->vs))) {
        set_edge(s, r, false);
        tell_proxy(s, r, true);
        HASH_DEL(s->relays, r);
        free(r);
        r = NULL;
    }
    if (!r && active) {
        r = xcalloc(1, sizeof *r);
        r->dp = dp;
        r->vs = row->vs;
        HASH_ADD(hh, s->relays, dp, sizeof r->dp, r);
        tell_proxy(s, r, false);
    }
    if (r) {
        set_edge(s, r, port_class_relays(ports_class(s, dp)));
    }
}

void relay_put_all(struct server *s, uint64_t vs_id, struct buf *out)
{
    struct server_relay *r, *tmp;

    HASH_ITER (hh, s->relays, r, tmp) {
        if (r->edge && r->vs.vs_id == vs_id) {
            record_put_relay(out, &(struct record_relay){.dp = r->dp, .vs = r->vs},
                             false);
        }
    }
}

static void put_full(struct server *s, struct server_proxy *proxy)
{
    struct server_relay *r, *tmp;

    buf_clear(&proxy->outbox);
    record_put_begin(&proxy->outbox);
    HASH_ITER (hh, s->relays, r, tmp) {
        if (r->dp.ct_id == proxy->ct_id) {
            record_put_relay(&proxy->outbox,
                             &(struct record_relay){.dp = r->dp, .vs = r->vs}, false);
        }
    }
    proxy->phase = PLANE_OPEN;
}

void relay_flush(struct server *s)
{
    struct server_proxy *proxy, *tmp;

    HASH_ITER (hh, s->proxies, proxy, tmp) {
        if (proxy->phase == PLANE_BEGIN && ipc_peer_batch_room(proxy->peer)) {
            put_full(s, proxy);
        }
        if (proxy->phase == PLANE_OPEN && server_settled(s)) {
            record_put_end(&proxy->outbox);
            proxy->phase = PLANE_DONE;
        }
        batch_send_all(proxy->peer, 0, &proxy->outbox);
    }
}

void relay_destroy_all(struct server *s)
{
    struct server_relay *r, *tmp;

    HASH_ITER (hh, s->relays, r, tmp) {
        HASH_DEL(s->relays, r);
        free(r);
    }
}
