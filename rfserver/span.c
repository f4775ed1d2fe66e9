/* VMs that span several datapaths: one router, whose switches are joined by inside
 * links (rfisl.csv).
 *
 * Each datapath has a RIB of its own (struct server_rib).  To it a VM port at another
 * datapath is one at its own inside port that leads there by the shortest path.  When a
 * link fails, the paths are found again and only these ports change: neither the client
 * nor RFVS is told, so that the container notices nothing.
 *
 * A link is used while both of its ports are up and LLDP finds it between them; and
 * before LLDP has had its chance, unless it was lost just now. */

#include "server.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

const struct server_isl *span_isl(struct server *s, struct dp_key dp)
{
    struct server_isl *isl;

    HASH_FIND(hh, s->isls, &dp, sizeof dp, isl);
    return isl;
}

static void isl_add(struct server *s, uint64_t vm_id, struct dp_key dp,
                    struct dp_key peer)
{
    if (!span_isl(s, dp)) { /* It may be written from both ends. */
        struct server_isl *isl = xcalloc(1, sizeof *isl);
        isl->dp = dp;
        isl->peer = peer;
        isl->vm_id = vm_id;
        HASH_ADD(hh, s->isls, dp, sizeof isl->dp, isl);
    }
}

/* The RIB to which this end belongs, or NULL. */
static struct rib *rib_at(struct server *s, const struct server_isl *isl)
{
    struct server_vm *vm = vm_find(s, isl->vm_id);
    struct server_rib *r = vm ? vm_rib(vm, isl->dp.dp_id) : NULL;
    return r ? r->rib : NULL;
}

static void set_inside(struct server *s, const struct server_isl *isl, bool inside)
{
    struct rib *rib = rib_at(s, isl);

    if (rib) {
        rib_set_inside(rib, isl->dp.dp_port, inside);
        plane_due(dp_find(s, isl->dp.dp_id));
    }
}

static void isls_clear(struct server_isl **isls)
{
    struct server_isl *isl, *tmp;

    HASH_ITER (hh, *isls, isl, tmp) {
        HASH_DEL(*isls, isl);
        free(isl);
    }
}

void span_destroy_all(struct server *s)
{
    isls_clear(&s->isls);
}

static void tell_assoc(struct server *s, enum assoc_event_kind kind, struct dp_key dp)
{
    server_assoc(s, &(struct assoc_event){.kind = kind, .now = loop_now(), .dp = dp});
}

void span_configure(struct server *s)
{
    struct server_isl *before = s->isls, *isl, *tmp;

    s->isls = NULL;
    for (size_t i = 0; i < s->mapping.n_isls; i++) {
        const struct mapping_isl *m = &s->mapping.isls[i];
        isl_add(s, m->vm_id, m->a, m->b);
        isl_add(s, m->vm_id, m->b, m->a);
    }
    HASH_ITER (hh, before, isl, tmp) {
        const struct server_dp_port *port = dp_port_find(s, isl->dp);
        const struct server_isl *now = span_isl(s, isl->dp);
        set_inside(s, isl, false);
        if (now) {
            isl->usable &= dp_key_equal(now->peer, isl->peer);
        } else if (port && port->up) { /* A port as any other again. */
            tell_assoc(s, ASSOC_DP_PORT, isl->dp);
        }
    }
    HASH_ITER (hh, s->isls, isl, tmp) {
        struct server_isl *old;
        HASH_FIND(hh, before, &isl->dp, sizeof isl->dp, old);
        isl->usable = old && old->usable;
    }
    isls_clear(&before);
}

void span_remap(struct server *s)
{
    struct server_isl *isl, *next_isl;
    struct server_vm *vm, *next_vm;

    HASH_ITER (hh, s->vms, vm, next_vm) {
        vm_remap(vm);
    }
    HASH_ITER (hh, s->isls, isl, next_isl) {
        set_inside(s, isl, true);
        if (assoc_by_dp(s->assoc, isl->dp)) { /* It was idle, or is now. */
            tell_assoc(s, ASSOC_DP_PORT_GONE, isl->dp);
        }
    }
    s->isls_stale = true;
    server_wake(s);
}

void span_vm_created(struct server_vm *vm)
{
    struct server *s = vm->server;
    struct server_isl *isl, *tmp;

    HASH_ITER (hh, s->isls, isl, tmp) {
        if (isl->vm_id == vm->id) {
            set_inside(s, isl, true);
            s->isls_stale = true;
        }
    }
}

void span_refresh(struct server *s, struct dp_key dp)
{
    if (span_isl(s, dp)) {
        s->isls_stale = true;
        server_wake(s);
    }
}

/* Links. */

static bool not_looked_at(struct server *s, struct dp_key dp)
{
    enum port_class class;
    return topo_port_class(s->topo, dp, &class) && class == PORT_PROBING;
}

static bool link_usable(struct server *s, const struct server_isl *isl)
{
    const struct server_dp_port *a = dp_port_find(s, isl->dp);
    const struct server_dp_port *b = dp_port_find(s, isl->peer);
    struct dp_key heard;

    if (!a || !b || !a->up || !b->up ||
        plane_vm_of(s, isl->dp.dp_id) != plane_vm_of(s, isl->peer.dp_id)) {
        return false;
    }
    if (topo_peer(s->topo, isl->dp, &heard)) {
        return dp_key_equal(heard, isl->peer);
    }
    return !topo_peer(s->topo, isl->peer, &heard) && !a->link_lost && !b->link_lost &&
           (not_looked_at(s, isl->dp) || not_looked_at(s, isl->peer));
}

/* Judges all links of all VMs, and returns the usable ones, each once; n_isls at most.
 */
static struct isl_link *judge_links(struct server *s, size_t *ret_n)
{
    struct isl_link *links = xcalloc(HASH_COUNT(s->isls), sizeof *links);
    struct server_isl *isl, *tmp;

    *ret_n = 0;
    HASH_ITER (hh, s->isls, isl, tmp) {
        bool first = dp_key_compare(isl->dp, isl->peer) < 0;
        bool usable = link_usable(s, isl);
        if (usable && first) {
            links[(*ret_n)++] = (struct isl_link){isl->dp, isl->peer};
        }
        if (usable != isl->usable && first) {
            char a[KEY_STRLEN], b[KEY_STRLEN];
            journal_event(s, "link", "inside vm " ETH_FMT ": %s - %s is %s",
                          ETH_ARGS(eth_from_u64(isl->vm_id)), dp_key_format(isl->dp, a),
                          dp_key_format(isl->peer, b),
                          usable ? "used" : "not used any more");
        }
        isl->usable = usable;
    }
    return links;
}

/* Paths. */

static bool paths_equal(const struct isl_path *a, const struct isl_path *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i].dp_id != b[i].dp_id || a[i].dp_port != b[i].dp_port ||
            a[i].hops != b[i].hops) {
            return false;
        }
    }
    return true;
}

/* Returns whether anything is otherwise now. */
static bool find_paths(struct server_rib *r, const struct isl_link *links, size_t n)
{
    size_t n_paths;
    struct isl_path *paths = isl_paths(links, n, r->dp_id, &n_paths);
    bool changed = n_paths != r->n_paths ||
                   !paths_equal(paths, r->paths, MIN(n_paths, r->n_paths));

    free(r->paths);
    r->paths = paths;
    r->n_paths = n_paths;
    return changed;
}

static void vm_paths(struct server_vm *vm, const struct isl_link *links, size_t n)
{
    bool changed = false, split = false;
    size_t n_ribs = 0;

    for (struct server_rib *r = vm->ribs; r; r = r->next) {
        changed |= find_paths(r, links, n);
        n_ribs++;
    }
    for (struct server_rib *r = vm->ribs; r; r = r->next) {
        split |= r->n_paths + 1 < n_ribs;
    }
    if (split != vm->split) {
        vm->split = split;
        journal_event(vm->server, "link", "vm " ETH_FMT ": its %zu datapaths %s",
                      ETH_ARGS(eth_from_u64(vm->id)), n_ribs,
                      split ? "do not all reach each other by inside links"
                            : "reach each other by inside links");
    }
    if (changed) {
        vm_map_ports(vm);
    }
}

void span_flush(struct server *s)
{
    struct server_vm *vm, *tmp;
    size_t n;

    if (!s->isls_stale) {
        return;
    }
    s->isls_stale = false;
    struct isl_link *links = judge_links(s, &n);
    HASH_ITER (hh, s->vms, vm, tmp) {
        if (vm->ribs->next || vm->ribs->paths) {
            vm_paths(vm, links, n);
        }
    }
    free(links);
}
