#include "wiring.h"

#include <stdlib.h>

/* Pure: no exit() of uthash. */
#define uthash_fatal(MESSAGE) abort()
#include <uthash.h>

#include "base/util.h"

/* All virtual links from a port. */
struct vlink {
    uint32_t from;
    struct entry_ports to;
    struct entry_ports stale; /* Those not named since the last BEGIN. */
    UT_hash_handle hh;
};

struct relay {
    uint32_t vs_port;
    struct dp_key dp;
    bool stale;
    UT_hash_handle hh;
};

struct carrier {
    uint32_t vs_port;
    bool off;
    bool stale;
    UT_hash_handle hh;
};

struct wiring {
    struct entries *entries;
    const struct wiring_ops *ops;
    void *aux;
    struct vlink *vlinks;
    struct relay *relays;
    struct carrier *carriers;
    bool complete;
};

struct wiring *wiring_create(struct entries *entries, const struct wiring_ops *ops,
                             void *aux)
{
    struct wiring *w = xcalloc(1, sizeof *w);

    w->entries = entries;
    w->ops = ops;
    w->aux = aux;
    return w;
}

void wiring_destroy(struct wiring *w)
{
    struct vlink *v, *vnext;
    struct relay *r, *rnext;
    struct carrier *c, *cnext;

    if (!w) {
        return;
    }
    HASH_ITER (hh, w->vlinks, v, vnext) {
        HASH_DEL(w->vlinks, v);
        free(v);
    }
    HASH_ITER (hh, w->relays, r, rnext) {
        HASH_DEL(w->relays, r);
        free(r);
    }
    HASH_ITER (hh, w->carriers, c, cnext) {
        HASH_DEL(w->carriers, c);
        free(c);
    }
    free(w);
}

/* Virtual links. */

static struct vlink *vlink_find(const struct wiring *w, uint32_t from)
{
    struct vlink *v;
    HASH_FIND(hh, w->vlinks, &from, sizeof from, v);
    return v;
}

static void tell_vlink(struct wiring *w, uint32_t from, uint32_t to, bool added)
{
    const struct vlink *back = vlink_find(w, to);

    if (back && entry_ports_has(&back->to, from)) {
        w->ops->vlink(w->aux, from, to, added);
    }
}

/* May free `v`. */
static void vlink_remove(struct wiring *w, struct vlink *v, uint32_t to)
{
    if (!entry_ports_has(&v->to, to)) {
        return;
    }
    tell_vlink(w, v->from, to, false);
    entry_ports_remove(&v->to, to);
    entry_ports_remove(&v->stale, to);
    if (v->to.n) {
        entries_desire(w->entries, &(struct entry){ENTRY_VLINK, v->from, v->to});
    } else {
        entries_remove(w->entries, ENTRY_VLINK, v->from);
        HASH_DEL(w->vlinks, v);
        free(v);
    }
}

static void vlink_add(struct wiring *w, uint32_t from, uint32_t to)
{
    struct vlink *v = vlink_find(w, from);

    if (!v) {
        v = xcalloc(1, sizeof *v);
        v->from = from;
        HASH_ADD(hh, w->vlinks, from, sizeof v->from, v);
    }
    entry_ports_remove(&v->stale, to);
    if (entry_ports_add(&v->to, to)) {
        tell_vlink(w, from, to, true);
    }
    entries_desire(w->entries, &(struct entry){ENTRY_VLINK, from, v->to});
}

static void apply_vlink(struct wiring *w, const struct record_vlink *r, bool remove)
{
    struct vlink *v = vlink_find(w, r->from);

    if (!remove) {
        vlink_add(w, r->from, r->to);
    } else if (v) {
        vlink_remove(w, v, r->to);
    } else {
        /* We may have installed it in an earlier life. */
        entries_remove(w->entries, ENTRY_VLINK, r->from);
    }
}

/* Relay. */

static struct relay *relay_find(const struct wiring *w, uint32_t vs_port)
{
    struct relay *r;
    HASH_FIND(hh, w->relays, &vs_port, sizeof vs_port, r);
    return r;
}

static void relay_remove(struct wiring *w, struct relay *r)
{
    entries_remove(w->entries, ENTRY_RELAY, r->vs_port);
    HASH_DEL(w->relays, r);
    free(r);
}

static void apply_relay(struct wiring *w, const struct record_relay *record,
                        bool remove)
{
    const uint32_t vs_port = record->vs.vs_port;
    struct relay *r = relay_find(w, vs_port);

    if (remove) {
        if (r && dp_key_equal(r->dp, record->dp)) {
            relay_remove(w, r);
        } else if (!r) {
            entries_remove(w->entries, ENTRY_RELAY, vs_port);
        }
        return;
    }
    if (!r) {
        r = xcalloc(1, sizeof *r);
        r->vs_port = vs_port;
        HASH_ADD(hh, w->relays, vs_port, sizeof r->vs_port, r);
    }
    r->dp = record->dp;
    r->stale = false;
    entries_desire(w->entries,
                   &(struct entry){.kind = ENTRY_RELAY, .in_port = vs_port});
}

/* Carrier. */

static struct carrier *carrier_find(const struct wiring *w, uint32_t vs_port)
{
    struct carrier *c;
    HASH_FIND(hh, w->carriers, &vs_port, sizeof vs_port, c);
    return c;
}

static void apply_carrier(struct wiring *w, const struct record_carrier *record)
{
    struct carrier *c = carrier_find(w, record->vs_port);

    if (!c) {
        c = xcalloc(1, sizeof *c);
        c->vs_port = record->vs_port;
        HASH_ADD(hh, w->carriers, vs_port, sizeof c->vs_port, c);
    }
    c->off = record->off;
    c->stale = false;
    w->ops->carrier(w->aux, record->vs_port);
}

/* Full downloads. */

static void begin(struct wiring *w)
{
    for (struct vlink *v = w->vlinks; v; v = v->hh.next) {
        v->stale = v->to;
    }
    for (struct relay *r = w->relays; r; r = r->hh.next) {
        r->stale = true;
    }
    for (struct carrier *c = w->carriers; c; c = c->hh.next) {
        c->stale = true;
    }
}

static void end(struct wiring *w)
{
    struct vlink *v, *vnext;
    struct relay *r, *rnext;
    struct carrier *c, *cnext;

    HASH_ITER (hh, w->vlinks, v, vnext) {
        const struct entry_ports stale = v->stale;
        for (uint32_t i = 0; i < stale.n; i++) {
            vlink_remove(w, v, stale.port[i]);
        }
    }
    HASH_ITER (hh, w->relays, r, rnext) {
        if (r->stale) {
            relay_remove(w, r);
        }
    }
    HASH_ITER (hh, w->carriers, c, cnext) {
        if (c->stale) {
            HASH_DEL(w->carriers, c);
            free(c);
        }
    }
    w->complete = true;
    entries_complete(w->entries);
    w->ops->carrier(w->aux, 0);
}

bool wiring_apply(struct wiring *w, const struct record *r)
{
    switch ((int)r->kind) {
    case REC_BEGIN:
        begin(w);
        return true;
    case REC_END:
        end(w);
        return true;
    case REC_VLINK:
        apply_vlink(w, &r->vlink, r->remove);
        return true;
    case REC_RELAY:
        apply_relay(w, &r->relay, r->remove);
        return true;
    case REC_CARRIER:
        apply_carrier(w, &r->carrier);
        return true;
    default:
        return false;
    }
}

/* Questions. */

enum wiring_carrier wiring_carrier(const struct wiring *w, uint32_t vs_port)
{
    const struct carrier *c = carrier_find(w, vs_port);

    if (c) {
        return c->off ? CARRIER_OFF : CARRIER_ON;
    }
    return w->complete ? CARRIER_ON : CARRIER_AS_IS;
}

bool wiring_relay(const struct wiring *w, uint32_t vs_port, struct dp_key *ret)
{
    const struct relay *r = relay_find(w, vs_port);

    return r && (*ret = r->dp, true);
}

bool wiring_is_complete(const struct wiring *w)
{
    return w->complete;
}

size_t wiring_count_vlinks(const struct wiring *w)
{
    return HASH_COUNT(w->vlinks);
}
