#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/hash.h"
#include "rib_impl.h"

uint32_t rib_desired(const struct rib *rib, uint32_t slot)
{
    uint16_t flags = *ptable_flags(rib->fib, slot);
    unsigned kind = flags_kind(flags);

    if (flags & F_HIDDEN) {
        return TARGET_NONE;
    }
    if (kind == VM_ROUTE_BLACKHOLE || kind == VM_ROUTE_UNREACHABLE) {
        return kind == VM_ROUTE_BLACKHOLE ? TARGET_DROP : TARGET_PUNT;
    }
    const struct nhset *set = rib_route_of(rib, slot);
    if (flags & F_HOST && (!set || set->use == NHSET_PUNT)) {
        struct ip_prefix prefix = ptable_prefix(rib->fib, slot);
        set = rib_find_host(rib, &prefix.addr)->set;
    }
    return !set || set->use == NHSET_WITHHELD ? TARGET_NONE
           : set->use == NHSET_GROUP          ? set->group_id
                                              : TARGET_PUNT;
}

bool rib_keeps(const struct rib *rib, uint32_t slot, uint32_t desired)
{
    const uint32_t taken = ptable_words(rib->fib, slot)[W_TAKEN];

    if (taken == desired || !target_is_group(taken) || !target_is_group(desired)) {
        return false;
    }
    const struct nhset *next = nhset_by_id(&rib->sets, desired);
    return !next->leads && !next->given_up && nhset_by_id(&rib->sets, taken)->leads;
}

/* What decided that entries keep their older way has changed. */
static void judge_kept(struct rib *rib)
{
    uint32_t slot;

    while ((slot = ptable_dequeue(rib->fib, LANE_KEPT)) != PTABLE_NONE) {
        bool urgent = *ptable_flags(rib->fib, slot) & F_URGENT;
        ptable_enqueue(rib->fib, urgent ? LANE_URGENT : LANE_DUE, slot);
    }
}

void rib_hurry(struct rib *rib, const struct ip_prefix *prefix)
{
    uint32_t slot =
        prefix_is_valid(prefix) ? ptable_find(rib->fib, prefix) : PTABLE_NONE;

    if (slot != PTABLE_NONE &&
        ptable_words(rib->fib, slot)[W_TAKEN] != rib_desired(rib, slot)) {
        *ptable_flags(rib->fib, slot) |= F_URGENT;
        ptable_enqueue(rib->fib, LANE_URGENT, slot);
    }
}

bool rib_age(struct rib *rib, int64_t now)
{
    bool over = false, waiting = false;

    if (!ptable_queued(rib->fib, LANE_KEPT)) {
        return false;
    }
    for (uint32_t i = 0; i < rib->sets.n_slots; i++) {
        struct nhset *s = rib->sets.sets[i];
        if (!s || !s->fib_refs || s->use != NHSET_GROUP || s->leads || s->given_up) {
            continue;
        }
        if (!s->unresolved_since) {
            s->unresolved_since = now;
        }
        s->given_up = now - s->unresolved_since >= RIB_KEEP_MS;
        over |= s->given_up;
        waiting |= !s->given_up;
    }
    if (over || !waiting) {
        judge_kept(rib);
    }
    return over || !waiting;
}

void rib_start_walk(struct rib *rib, bool all)
{
    rib->walks_all = all || (rib->walking && rib->walks_all);
    rib->walking = true;
    rib->walk = PTABLE_NONE;
}

static void end_walk(struct rib *rib)
{
    for (uint32_t i = 0; i < rib->sets.n_slots; i++) {
        if (rib->sets.sets[i]) {
            rib->sets.sets[i]->judged_anew = false;
        }
    }
    rib->walking = rib->walks_all = rib->snapshot = false;
}

/* A host entry gets another set when its port changes, and is compared for that. */
static bool is_walked(const struct rib *rib, uint32_t slot)
{
    if (rib->walks_all) {
        return true;
    }
    const struct nhset *set = rib_route_of(rib, slot);
    return set && set->judged_anew;
}

/* Ports: few, so all of them are compared whenever one has changed. */

struct rib_port_out *rib_port_out(struct rib *rib, uint32_t dp_port)
{
    struct rib_port_out *o;

    HASH_FIND(hh, rib->ports_out, &dp_port, sizeof dp_port, o);
    if (!o) {
        o = xcalloc(1, sizeof *o);
        o->dp_port = dp_port;
        HASH_ADD(hh, rib->ports_out, dp_port, sizeof o->dp_port, o);
    }
    return o;
}

static void assign_ports(struct rib *rib)
{
    for (struct rib_port_out *o = rib->ports_out; o; o = o->hh.next) {
        o->owner = NULL;
    }
    for (const struct rib_port *p = rib->ports; p; p = p->hh.next) {
        if (port_is_usable(p) && !p->remote) {
            struct rib_port_out *o = rib_port_out(rib, p->dp_port);
            if (!o->owner || p->vm_port < o->owner->vm_port) {
                o->owner = p;
            }
        }
    }
}

/* What the port should be; false: nothing. */
static bool desired_port(const struct rib_port_out *o, struct plane_port *ret)
{
    ret->dp_port = o->dp_port;
    ret->class = o->inside ? PORT_INSIDE : o->owner ? o->owner->class : PORT_PROBING;
    ret->mac = o->owner && !o->inside ? o->owner->info.hwaddr : (struct eth_addr){{0}};
    return o->inside || o->owner;
}

static bool next_port_change(struct rib *rib, struct plane_change *ret)
{
    struct rib_port_out *o, *next;

    assign_ports(rib);
    HASH_ITER (hh, rib->ports_out, o, next) {
        ret->kind = PLANE_PORT;
        ret->remove = !desired_port(o, &ret->port);
        if (!ret->remove && (!o->taken || o->content.class != ret->port.class ||
                             !eth_equal(o->content.mac, ret->port.mac))) {
            o->taken = true;
            o->content = ret->port;
            return true;
        }
        if (ret->remove) {
            bool taken = o->taken;
            HASH_DELETE(hh, rib->ports_out, o);
            free(o);
            if (taken) {
                return true;
            }
        }
    }
    rib->ports_dirty = false;
    return false;
}

static bool next_addr_change(struct rib *rib, struct plane_change *ret)
{
    struct rib_addr_out *o;

    while ((o = rib->addrs_dirty)) {
        bool changed = o->taken != (o->refs > 0);

        DL_DELETE(rib->addrs_dirty, o);
        o->dirty = false;
        o->taken = o->refs > 0;
        ret->kind = PLANE_ADDR;
        ret->remove = !o->taken;
        ret->addr.addr = o->addr;
        if (!o->refs) {
            HASH_DELETE(hh, rib->addrs_out, o);
            free(o);
        }
        if (changed) {
            return true;
        }
    }
    return false;
}

/* Groups. */

/* What leaves by this port, too, must fit.  Whether the port forwards does not matter:
 * a link that fails must not change the FIB entries of a set. */
static void narrow_group(const struct rib *rib, const struct rib_port *p,
                         struct fib_group *g)
{
    const uint32_t mtu = p && p->known ? p->info.mtu : 0;

    if (mtu && mtu < rib->widest && mtu <= FIB_MTU_MAX && (!g->mtu || mtu < g->mtu)) {
        g->mtu = (uint16_t)mtu;
    }
}

static void put_hop(struct fib_group *g, const struct rib_port *p, uint16_t weight,
                    struct eth_addr dst)
{
    struct fib_hop *hop = &g->hops[g->n_hops++];

    memset(hop, 0, sizeof *hop); /* The padding too: it is hashed. */
    hop->dp_port = p->dp_port;
    hop->weight = weight;
    hop->src = p->info.hwaddr;
    hop->dst = dst;
}

static void build_group(const struct rib *rib, const struct nhset *s,
                        struct fib_group *ret)
{
    ret->id = s->group_id;
    ret->n_hops = ret->mtu = 0;
    for (unsigned i = 0; i < s->n_hops; i++) {
        const struct gateway *g = s->gateways[i];
        const struct rib_port *p = rib_find_port(rib, s->keys[i].vm_port);
        if (g) {
            narrow_group(rib, p, ret);
        }
        if (g && g->resolved && port_forwards(p)) {
            put_hop(ret, p, s->keys[i].weight, g->hwaddr);
        }
    }
}

/* Local repair: until the routing suite has answered, all that went to the lost hops.
 * The switch has the alternate beforehand, and needs to be told nothing; but for ports
 * narrower than the group: its entries would look at the length of all packets. */
static void build_backup(const struct rib *rib, const struct nhset *s,
                         struct fib_group *ret)
{
    const struct rib_port *p = rib_find_port(rib, s->backup.vm_port);

    if (!port_forwards(p)) {
        return;
    }
    if (!rib_set_forwards(rib, s)) {
        ret->n_hops = 0;
        put_hop(ret, p, 1, s->backup.dst);
        narrow_group(rib, p, ret);
    } else if (ret->n_hops == 1 && ret->hops[0].dp_port != p->dp_port) {
        const uint16_t mtu = ret->mtu;
        narrow_group(rib, p, ret);
        if (ret->mtu == mtu) {
            put_hop(ret, p, 0, s->backup.dst);
        }
        ret->mtu = mtu;
    }
}

static void set_leads(struct rib *rib, struct nhset *s, bool leads)
{
    if (s->leads != leads) {
        s->leads = leads;
        s->given_up = false;
        s->unresolved_since = 0;
        judge_kept(rib);
    }
}

static bool group_change(struct rib *rib, struct nhset *s, struct plane_change *ret)
{
    bool wanted = s->fib_refs && s->use == NHSET_GROUP;
    bool changed = false;

    if (wanted || (s->group_taken && s->fib_taken)) {
        build_group(rib, s, &ret->group);
        if (s->backup.vm_port) {
            build_backup(rib, s, &ret->group);
        }
        set_leads(rib, s, ret->group.n_hops > 0);
        uint64_t hash =
            hash_bytes(ret->group.hops, ret->group.n_hops * sizeof ret->group.hops[0],
                       ret->group.mtu);
        changed = !s->group_taken || s->taken_hash != hash;
        s->group_taken = true;
        s->taken_hash = hash;
        ret->remove = false;
    } else if (s->group_taken) {
        changed = true;
        s->group_taken = false;
        ret->group.id = s->group_id;
        ret->group.n_hops = ret->group.mtu = 0;
        ret->remove = true;
    }
    ret->kind = PLANE_GROUP;
    nhset_settle(&rib->sets, s);
    return changed;
}

/* FIB entries. */

static void count_taken(struct rib *rib, uint32_t target, int delta)
{
    if (target_is_group(target)) {
        struct nhset *s = nhset_by_id(&rib->sets, target);
        s->fib_taken += (uint32_t)delta;
        if (!s->fib_taken) {
            nhset_mark_dirty(&rib->sets, s);
        }
    }
}

static bool fib_change(struct rib *rib, uint32_t slot, struct plane_change *ret)
{
    uint32_t *taken = &ptable_words(rib->fib, slot)[W_TAKEN];
    uint16_t *flags = ptable_flags(rib->fib, slot);
    uint32_t desired = rib_desired(rib, slot);
    bool keeps = rib_keeps(rib, slot, desired);
    bool changed = *taken != desired && !keeps;

    if (keeps) {
        ptable_enqueue(rib->fib, LANE_KEPT, slot);
    }
    if (changed) {
        count_taken(rib, desired, 1);
        count_taken(rib, *taken, -1);
        rib->n_taken += (size_t)(!!desired - !!*taken);
        *taken = desired;
        ret->kind = PLANE_FIB;
        ret->remove = !desired;
        ret->urgent = *flags & F_URGENT;
        ret->fib.prefix = ptable_prefix(rib->fib, slot);
        ret->fib.target = target_unpack(desired);
    }
    if (!keeps) {
        *flags &= (uint16_t)~F_URGENT;
    }
    rib_tidy(rib, slot);
    return changed;
}

/* The next one that waits to be compared. */
static uint32_t next_due(struct rib *rib)
{
    uint32_t slot = ptable_dequeue(rib->fib, LANE_URGENT);

    return slot == PTABLE_NONE ? ptable_dequeue(rib->fib, LANE_DUE) : slot;
}

static bool next_due_change(struct rib *rib, struct plane_change *ret)
{
    uint32_t slot;

    while ((slot = next_due(rib)) != PTABLE_NONE) {
        if (fib_change(rib, slot, ret)) {
            return true;
        }
    }
    return false;
}

static bool next_walk_change(struct rib *rib, struct plane_change *ret)
{
    while (rib->walking) {
        uint32_t slot = ptable_next(rib->fib, rib->walk);
        if (slot == PTABLE_NONE) {
            end_walk(rib);
        } else {
            rib->walk = slot;
            if (is_walked(rib, slot) && fib_change(rib, slot, ret)) {
                return true;
            }
        }
    }
    return false;
}

static bool next_group_change(struct rib *rib, struct plane_change *ret)
{
    struct nhset *s;

    while ((s = rib->sets.dirty)) {
        if (group_change(rib, s, ret)) {
            return true;
        }
    }
    return false;
}

bool rib_next_small(struct rib *rib, struct plane_change *ret)
{
    if (rib->hosts_stale) {
        rib_refresh_hosts(rib);
    }
    if (rib->ports_dirty && next_port_change(rib, ret)) {
        return true;
    }
    /* Groups twice: the last FIB entry may just have left one. */
    return next_addr_change(rib, ret) || rib_transit_next(rib, ret) ||
           next_group_change(rib, ret) || next_due_change(rib, ret) ||
           next_group_change(rib, ret);
}

bool rib_next_change(struct rib *rib, struct plane_change *ret)
{
    return rib_next_small(rib, ret) || next_walk_change(rib, ret) ||
           next_group_change(rib, ret);
}

bool rib_pending(const struct rib *rib)
{
    return rib->hosts_stale || rib->ports_dirty || rib->addrs_dirty ||
           rib->transits_dirty || rib->sets.dirty ||
           ptable_queued(rib->fib, LANE_URGENT) || ptable_queued(rib->fib, LANE_DUE) ||
           rib->walking;
}

/* Snapshot. */

void rib_snapshot_begin(struct rib *rib)
{
    for (struct rib_port_out *o = rib->ports_out; o; o = o->hh.next) {
        o->taken = false;
    }
    rib->ports_dirty = true;
    for (struct rib_addr_out *o = rib->addrs_out; o; o = o->hh.next) {
        o->taken = false;
        if (!o->dirty) {
            o->dirty = true;
            DL_APPEND(rib->addrs_dirty, o);
        }
    }
    rib_transit_snapshot(rib);
    for (uint32_t i = 0; i < rib->sets.n_slots; i++) {
        struct nhset *s = rib->sets.sets[i];
        if (s) {
            s->group_taken = false;
            s->fib_taken = 0;
            nhset_mark_dirty(&rib->sets, s);
        }
    }
    for (uint32_t s = ptable_next(rib->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(rib->fib, s)) {
        ptable_words(rib->fib, s)[W_TAKEN] = TARGET_NONE;
        rib_tidy(rib, s);
    }
    rib->n_taken = 0;
    rib_start_walk(rib, true);
    rib->snapshot = true;
}

bool rib_snapshot_active(const struct rib *rib)
{
    return rib->snapshot;
}
