#include "recon_impl.h"

/* What is not as it should be is queued at once: a pass over the whole FIB that looks
 * for it could not be cut in slices. */
static void judge_fib(struct recon *r, uint32_t slot)
{
    uint16_t *flags = ptable_flags(r->fib, slot);

    if (r->judge && !(*flags & (I_SEEN | I_TOUCHED)) &&
        ptable_words(r->fib, slot)[W_HAVE]) {
        r->audit_differences++;
        recon_set_have(r, slot, TARGET_NONE, false);
    }
    *flags &= (uint16_t) ~(I_SEEN | I_TOUCHED);
    recon_evaluate_fib(r, slot);
}

/* False: there are more. */
static bool judge_some(struct recon *r, size_t max)
{
    for (; max > 0; max--) {
        /* The slots before the first one are those after PTABLE_NONE. */
        const uint32_t slot = ptable_next(r->fib, r->unjudged - 1);
        if (slot == PTABLE_NONE) {
            r->judging = false;
            return true;
        }
        r->unjudged = slot + 1;
        judge_fib(r, slot);
    }
    return false;
}

static void judge_rest(struct recon *r)
{
    if (r->judging) {
        judge_some(r, SIZE_MAX);
    }
}

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
    judge_rest(r);
    if (r->auditing) {
        unmark_all(r);
    }
    r->auditing = true;
    r->first_audit = !r->known;
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
        o->waiters = false; /* All that wait are queued again, and set it. */
        recon_evaluate_object(r, o);
    }
}

/* What was not seen, though it should have been, is believed to be absent; an audit
 * that was given up only takes its marks off. */
static void finish(struct recon *r, bool judge)
{
    r->auditing = false;
    r->judging = true;
    r->judge = judge;
    r->unjudged = 0;
    finish_objects(r, r->aux, judge);
    finish_objects(r, r->groups, judge);
}

size_t recon_audit_end(struct recon *r)
{
    size_t n = 0;

    while (!recon_audit_slice(r, SIZE_MAX, &n)) {
    }
    return n;
}

bool recon_audit_slice(struct recon *r, size_t max, size_t *ret_differences)
{
    if (r->auditing) {
        r->known = true;
        finish(r, true);
    }
    if (r->judging && !judge_some(r, max)) {
        return false;
    }
    *ret_differences = r->first_audit ? 0 : r->audit_differences;
    r->audit_differences = 0;
    return true;
}

bool recon_wants_audit(const struct recon *r)
{
    return r->wants_audit;
}

void recon_audit_abort(struct recon *r)
{
    if (r->auditing) {
        finish(r, false);
        judge_rest(r);
    }
}

void recon_disconnected(struct recon *r)
{
    struct object *o, *next;

    r->known = r->auditing = r->judging = r->walking = r->wants_audit = false;
    r->fence.deletions = r->fence.additions = 0;
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
