#include "recon_impl.h"

static void unmark_all(struct recon *r)
{
    const uint16_t mask = (uint16_t) ~(I_SEEN | I_TOUCHED);

    for (struct object *o = r->aux; o; o = o->hh.next) {
        o->flags &= mask;
    }
    for (struct object *o = r->groups; o; o = o->hh.next) {
        o->flags &= mask;
    }
    for (uint32_t s = ptable_next(r->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(r->fib, s)) {
        *ptable_flags(r->fib, s) &= mask;
    }
}

void recon_audit_begin(struct recon *r)
{
    if (r->auditing) {
        unmark_all(r);
    }
    r->auditing = true;
    r->wants_audit = false;
    r->audit_differences = 0;
    for (uint32_t i = 0; i < r->n_flights; i++) {
        const struct flight *f = recon_flight(r, i);
        *recon_flags_of(r, (enum recon_what)f->what, f->ref) |= I_TOUCHED;
    }
}

static void object_seen(struct recon *r, struct object *o, uint64_t hash)
{
    o->flags |= I_SEEN;
    if (!(o->flags & I_TOUCHED) && (!o->present || o->have != hash)) {
        r->audit_differences++;
        recon_count_object(r, o, -1);
        o->present = true;
        o->have = hash;
        recon_count_object(r, o, 1);
    }
}

void recon_seen_aux(struct recon *r, unsigned rank, struct recon_blob key,
                    struct recon_blob value)
{
    if (r->auditing && rank < RECON_RANKS && key.len && key.len <= RECON_BLOB_MAX) {
        object_seen(r, recon_get_object(r, RECON_AUX, rank, key),
                    value.data ? recon_hash_blob(value) : HASH_FOREIGN);
    }
}

void recon_seen_group(struct recon *r, uint32_t id, uint16_t n_hops,
                      const struct fib_hop *hops)
{
    if (r->auditing && target_is_group(id)) {
        object_seen(r, recon_get_group(r, id),
                    hops ? recon_hash_hops(n_hops, hops) : HASH_FOREIGN);
    }
}

void recon_seen_share(struct recon *r, uint32_t id, uint32_t to)
{
    if (r->auditing && target_is_group(id)) {
        object_seen(r, recon_get_group(r, id), recon_hash_share(to));
    }
}

void recon_seen_fib(struct recon *r, const struct fib_entry *e)
{
    if (!r->auditing || !prefix_is_valid(&e->prefix)) {
        return;
    }
    uint32_t slot = ptable_insert(r->fib, &e->prefix);
    uint16_t *flags = ptable_flags(r->fib, slot);
    uint32_t target = target_pack(e->target);

    if (!target) {
        target = TARGET_FOREIGN;
    }
    *flags |= I_SEEN;
    if (*flags & I_TOUCHED) {
        return;
    }
    const bool stale = recon_mtu_seen(r, target, e->target.mtu);
    const bool was_stale = *flags & I_STALE;
    if (ptable_words(r->fib, slot)[W_HAVE] != target || stale != was_stale) {
        /* A group's MTU that has changed and changed back leaves right ones stale. */
        r->audit_differences +=
            !was_stale || ptable_words(r->fib, slot)[W_HAVE] != target;
        recon_set_have(r, slot, target, stale);
    }
}

static void finish_objects(struct recon *r, struct object *map, bool judge)
{
    struct object *o, *next;

    HASH_ITER (hh, map, o, next) {
        if (judge && o->present && !(o->flags & (I_SEEN | I_TOUCHED))) {
            r->audit_differences++;
            recon_count_object(r, o, -1);
            o->present = false;
            recon_count_object(r, o, 1);
        }
        o->flags &= (uint16_t) ~(I_SEEN | I_TOUCHED);
        o->waiters = false; /* The pass over the FIB sets it again. */
        recon_evaluate_object(r, o);
    }
}

/* Takes the marks of the audit off all items; with `judge`, what was not seen, though
 * it should have been, is believed to be absent. */
static void finish(struct recon *r, bool judge)
{
    r->auditing = false;
    for (uint32_t s = ptable_next(r->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(r->fib, s)) {
        uint16_t *flags = ptable_flags(r->fib, s);
        if (judge && !(*flags & (I_SEEN | I_TOUCHED)) &&
            ptable_words(r->fib, s)[W_HAVE]) {
            r->audit_differences++;
            recon_set_have(r, s, TARGET_NONE, false);
        }
        *flags &= (uint16_t) ~(I_SEEN | I_TOUCHED);
        if (recon_fib_is_settled(ptable_words(r->fib, s), *flags)) {
            recon_evaluate_fib(r, s);
        }
    }
    finish_objects(r, r->aux, judge);
    finish_objects(r, r->groups, judge);
    recon_start_walk(r);
}

size_t recon_audit_end(struct recon *r)
{
    bool first = !r->known;

    if (!r->auditing) {
        return 0;
    }
    r->known = true;
    finish(r, true);
    return first ? 0 : r->audit_differences;
}

bool recon_wants_audit(const struct recon *r)
{
    return r->wants_audit;
}

void recon_audit_abort(struct recon *r)
{
    if (r->auditing) {
        finish(r, false);
    }
}

void recon_disconnected(struct recon *r)
{
    struct object *o, *next;

    r->known = r->auditing = r->walking = r->wants_audit = false;
    recon_failure_clear_all(r);
    for (uint32_t i = 0; i < r->n_flights; i++) {
        const struct flight *f = recon_flight(r, i);
        if (f->what == RECON_FIB) {
            recon_unuse_group(r, f->old);
        }
    }
    recon_drop_flights(r);
    for (uint32_t s = ptable_next(r->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(r->fib, s)) {
        recon_count_fib(r, s, -1);
        *ptable_flags(r->fib, s) &= I_NAMED;
        recon_count_fib(r, s, 1);
        recon_set_have(r, s, TARGET_NONE, false);
        recon_evaluate_fib(r, s);
    }
    struct object *maps[] = {r->aux, r->groups};
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        HASH_ITER (hh, maps[i], o, next) {
            recon_count_object(r, o, -1);
            o->flags &= I_NAMED;
            o->present = o->waiters = false;
            recon_count_object(r, o, 1);
            recon_evaluate_object(r, o);
        }
    }
}
