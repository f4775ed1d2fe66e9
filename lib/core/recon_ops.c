#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "recon_impl.h"

#define MAX_SERIAL 0x7fffffffu
#define SORT_MIN 4096 /* The upper nodes of a trie are always in the cache. */

void recon_start_walk(struct recon *r)
{
    r->walking = true;
    r->walk = PTABLE_NONE;
}

/* Operations in flight. */

struct flight *recon_flight(const struct recon *r, uint32_t i)
{
    return &r->flights[(r->first_flight + i) & (r->cap_flights - 1)];
}

static void push_flight(struct recon *r, struct flight f)
{
    if (r->n_flights == r->cap_flights) {
        uint32_t cap = r->cap_flights ? 2 * r->cap_flights : 64;
        struct flight *flights = xmalloc(cap * sizeof *flights);
        for (uint32_t i = 0; i < r->n_flights; i++) {
            flights[i] = *recon_flight(r, i);
        }
        free(r->flights);
        r->flights = flights;
        r->cap_flights = cap;
        r->first_flight = 0;
    }
    *recon_flight(r, r->n_flights++) = f;
    r->n_unfenced++;
}

static void shrink_flights(struct recon *r)
{
    if (!r->n_flights && r->cap_flights > 4096) {
        free(r->flights);
        r->flights = NULL;
        r->cap_flights = 0;
    }
}

void recon_drop_flights(struct recon *r)
{
    r->n_flights = r->n_unfenced = 0;
    r->n_barriers = 0;
    shrink_flights(r);
}

/* The item leaves for the switch; the caller then says what it believes installed. */
static void take_off(struct recon *r, uint16_t *flags, struct flight f,
                     struct recon_op *ret)
{
    ret->urgent = *flags & I_URGENT;
    *flags &= (uint16_t) ~(I_URGENT | I_YIELDED);
    const bool touched = f.what == RECON_FIB
                             ? recon_audit_concerns_fib(r, (uint32_t)f.ref)
                             : r->auditing;
    *flags |= (uint16_t)(I_FLIGHT | (touched ? I_TOUCHED : 0));
    push_flight(r, f);
    ret->what = (enum recon_what)f.what;
    ret->serial = r->next_serial;
    r->next_serial = r->next_serial == MAX_SERIAL ? 1 : r->next_serial + 1;
    r->changes++;
}

/* Hands out. */

static void hand_out_object(struct recon *r, struct object *o, struct recon_op *ret)
{
    ret->action = !o->desired ? RECON_DELETE : o->present ? RECON_MODIFY : RECON_ADD;
    struct flight f = {.ref = recon_ref(o), .old = ret->action, .what = o->what};

    recon_object_leave_lane(r, o);
    recon_count_object(r, o, -1);
    take_off(r, &o->flags, f, ret);
    o->present = o->desired;
    o->have = o->want;
    recon_count_object(r, o, 1);
    recon_wake_waiters(r, o);
    if (ret->action == RECON_ADD && o->n_shares) {
        recon_shares_wake(r, o);
    }
    if (o->what == RECON_GROUP) {
        ret->group.id = recon_group_id(o);
        ret->group.to = o->rank == RANK_SHARE ? target_base(ret->group.id) : 0;
        ret->group.n_hops = o->desired ? recon_group_hops(r, o) : 0;
        ret->group.hops = (const void *)o->value;
    } else {
        ret->aux.rank = o->rank;
        ret->aux.key = (struct recon_blob){o->key, o->key_len};
        ret->aux.value = o->desired ? (struct recon_blob){o->value, o->value_len}
                                    : (struct recon_blob){NULL, 0};
    }
}

static void hand_out_fib(struct recon *r, uint32_t slot, uint32_t target,
                         struct recon_op *ret)
{
    uint32_t have = ptable_words(r->fib, slot)[W_HAVE];
    uint16_t *flags = ptable_flags(r->fib, slot);
    struct flight f = {.ref = slot, .old = have, .what = RECON_FIB};

    f.mtu = *flags & I_STALE ? MTU_UNKNOWN : recon_mtu_of(r, have);
    ret->action = !target ? RECON_DELETE : have ? RECON_MODIFY : RECON_ADD;
    recon_use_group(r, have); /* Until the barrier: the flight's. */
    recon_count_fib(r, slot, -1);
    take_off(r, flags, f, ret);
    recon_count_fib(r, slot, 1);
    recon_set_have(r, slot, target, false);
    ret->fib.prefix = ptable_prefix(r->fib, slot);
    ret->fib.target = target_unpack(target);
    ret->fib.target.mtu = recon_mtu_of(r, target);
}

/* The target with which the FIB entry must, and may, be added or modified now.
 * TARGET_NONE: not so; *ret_share: not before a share was handed out. */
static uint32_t fib_may_add(struct recon *r, uint32_t slot, bool *ret_share)
{
    const uint32_t *w = ptable_words(r->fib, slot);
    const uint16_t flags = *ptable_flags(r->fib, slot);

    if (flags & (I_FLIGHT | I_WAIT) || recon_fib_is_settled(w, flags)) {
        return TARGET_NONE;
    }
    if (!w[W_WANT]) {
        ptable_enqueue(r->fib, recon_fib_lane(w, flags), slot);
        return TARGET_NONE;
    }
    if (!target_is_group(w[W_WANT])) {
        return w[W_WANT];
    }
    struct object *o = recon_get_group(r, w[W_WANT]);
    if (!recon_group_is_usable(o)) {
        o->waiters = true;
        return TARGET_NONE;
    }
    uint32_t target = recon_share_choose(r, o);
    if (!target) {
        *ret_share = true;
        ptable_enqueue(r->fib, recon_fib_lane(w, flags), slot);
    }
    return target;
}

static bool next_object(struct recon *r, struct recon_op *ret)
{
    struct object *o;

    for (int rank = 0; rank < N_RANKS; rank++) {
        while ((o = r->lanes[LANE_ADD][rank])) {
            if (rank != RANK_SHARE || recon_share_may_add(r, o)) {
                hand_out_object(r, o, ret);
                return true;
            }
            recon_object_leave_lane(r, o); /* Comes again with its group. */
        }
    }
    return false;
}

static bool may_delete(const struct recon *r)
{
    return r->complete && !r->syncing;
}

static bool fib_may_delete(const struct recon *r, uint32_t slot)
{
    const uint32_t *w = ptable_words(r->fib, slot);

    return !w[W_WANT] && w[W_HAVE] &&
           !(*ptable_flags(r->fib, slot) & (I_FLIGHT | I_WAIT));
}

/* Deletions wait once for what is urgent with them; and while nothing may be deleted,
 * with all that wait for that. */
static bool next_urgent(struct recon *r, struct recon_op *ret, bool *ret_share)
{
    uint32_t slot, target;

    while (!*ret_share && (slot = ptable_dequeue(r->fib, LANE_URGENT)) != PTABLE_NONE) {
        uint16_t *flags = ptable_flags(r->fib, slot);
        if (!fib_may_delete(r, slot)) {
            if ((target = fib_may_add(r, slot, ret_share))) {
                hand_out_fib(r, slot, target, ret);
                return true;
            }
        } else if (!may_delete(r)) {
            *flags &= (uint16_t) ~(I_URGENT | I_YIELDED);
            ptable_enqueue(r->fib, LANE_DEL, slot);
        } else if (*flags & I_YIELDED) {
            hand_out_fib(r, slot, TARGET_NONE, ret);
            return true;
        } else {
            *flags |= I_YIELDED;
            ptable_enqueue(r->fib, LANE_URGENT, slot);
        }
    }
    return false;
}

/* Where many wait, neighbours go one after the other: Open vSwitch finds the place of a
 * prefix by way of a trie, and of a million most of that way is not in its cache, but
 * what the one before has just passed is.  Those that are fenced stay before others. */
static uint32_t dequeue(struct recon *r, unsigned lane, size_t fenced)
{
    const size_t n = fenced ? fenced : ptable_queued(r->fib, lane);

    if (n >= SORT_MIN) {
        ptable_sort(r->fib, lane, n);
    }
    return ptable_dequeue(r->fib, lane);
}

/* The walk goes on until so many of the entries that it meets are not settled. */
static void walk_on(struct recon *r, size_t n)
{
    while (n > 0 && r->walking) {
        const uint32_t slot = r->walk = ptable_next(r->fib, r->walk);
        r->walking = slot != PTABLE_NONE;
        if (r->walking && !recon_fib_is_settled(ptable_words(r->fib, slot),
                                                *ptable_flags(r->fib, slot))) {
            ptable_enqueue(r->fib, LANE_ADD, slot);
            n--;
        }
    }
}

/* The next FIB entry that is due; in the order of the lane, then of the walk. */
static uint32_t next_due(struct recon *r)
{
    if (!ptable_queued(r->fib, LANE_ADD)) {
        walk_on(r, PTABLE_SORT_MAX);
    }
    const uint32_t slot = dequeue(r, LANE_ADD, r->fence.additions);
    r->fence.additions -= r->fence.additions > 0;
    return slot;
}

static bool next_fib_addition(struct recon *r, struct recon_op *ret, bool share)
{
    uint32_t slot;

    while (!share && (slot = next_due(r)) != PTABLE_NONE) {
        uint32_t target = fib_may_add(r, slot, &share);
        if (target) {
            hand_out_fib(r, slot, target, ret);
            return true;
        }
    }
    return share && next_object(r, ret);
}

static bool next_fib_deletion(struct recon *r, struct recon_op *ret)
{
    uint32_t slot;

    while ((slot = dequeue(r, LANE_DEL, r->fence.deletions)) != PTABLE_NONE) {
        if (fib_may_delete(r, slot)) {
            hand_out_fib(r, slot, TARGET_NONE, ret);
            r->fence.deletions -= r->fence.deletions > 0;
            return true;
        }
    }
    r->fence.deletions = 0;
    return false;
}

/* Deletions wait for the additions that were queued when they came, not for those that
 * are queued meanwhile: where routes change all the time there is always one more. */
static bool next_fenced_deletion(struct recon *r, struct recon_op *ret)
{
    if (!r->fence.deletions) {
        r->fence.deletions = ptable_queued(r->fib, LANE_DEL);
        r->fence.additions = ptable_queued(r->fib, LANE_ADD);
    }
    return r->fence.deletions && !r->fence.additions && !r->walking &&
           next_fib_deletion(r, ret);
}

static bool next_deletion(struct recon *r, struct recon_op *ret)
{
    if (next_fib_deletion(r, ret)) {
        return true;
    }
    for (int rank = N_RANKS - 1; rank >= 0; rank--) {
        struct object *o;
        while ((o = r->lanes[LANE_DEL][rank])) {
            if (!o->users && !recon_shares_present(r, o)) {
                hand_out_object(r, o, ret);
                return true;
            }
            recon_object_leave_lane(r, o); /* Comes again with its last user gone. */
        }
    }
    return false;
}

bool recon_next_op(struct recon *r, int64_t now, struct recon_op *ret)
{
    /* Additions that an audit is about to find go before deletions, too. */
    const bool deletes = may_delete(r) && !r->judging;
    bool share = false;

    recon_failure_wake(r, now);
    return r->known &&
           (next_object(r, ret) || next_urgent(r, ret, &share) ||
            (deletes && !share && next_fenced_deletion(r, ret)) ||
            next_fib_addition(r, ret, share) || (deletes && next_deletion(r, ret)));
}

bool recon_has_urgent(const struct recon *r)
{
    return ptable_queued(r->fib, LANE_URGENT);
}

/* Barriers. */

bool recon_needs_barrier(const struct recon *r)
{
    return r->n_unfenced;
}

bool recon_awaits_barrier(const struct recon *r)
{
    return r->n_barriers;
}

size_t recon_in_flight(const struct recon *r)
{
    return r->n_flights;
}

void recon_barrier_sent(struct recon *r, uint32_t xid)
{
    if (r->n_barriers == r->cap_barriers) {
        r->cap_barriers = r->cap_barriers ? 2 * r->cap_barriers : 8;
        r->barriers = xrealloc(r->barriers, r->cap_barriers * sizeof *r->barriers);
    }
    r->barriers[r->n_barriers++] = (struct barrier){.xid = xid, .n = r->n_unfenced};
    r->n_unfenced = 0;
}

static void land_object(struct recon *r, struct object *o, enum recon_action action)
{
    bool refused = o->flags & I_REFUSED;

    recon_count_object(r, o, -1);
    o->flags &= (uint16_t) ~(I_FLIGHT | I_REFUSED);
    if (refused) {
        o->present = o->hint == RECON_EXISTS ||
                     (o->hint == RECON_REFUSED && action != RECON_ADD);
        o->have = HASH_FOREIGN;
    }
    recon_count_object(r, o, 1);
    if (!refused) {
        recon_failure_clear(r, o->what, recon_ref(o), &o->flags);
    }
    const uint32_t share = o->rank == RANK_SHARE ? recon_group_id(o) : 0;
    recon_wake_waiters(r, o);
    recon_evaluate_object(r, o);
    if (share) {
        recon_share_settled(r, share);
    }
}

/* The switch says that a group is absent which was believed to be there. */
static void lose_group(struct recon *r, uint32_t id)
{
    struct object *o = recon_find_group(r, id);

    if (o && o->present && !(o->flags & I_FLIGHT)) {
        recon_count_object(r, o, -1);
        o->present = false;
        recon_count_object(r, o, 1);
        recon_evaluate_object(r, o);
        if (target_is_share(id)) {
            recon_share_settled(r, id);
        }
    }
}

static void land_refused_fib(struct recon *r, uint32_t slot, const struct flight *f)
{
    uint16_t *flags = ptable_flags(r->fib, slot);
    const uint32_t *w = ptable_words(r->fib, slot);
    uint32_t sent = w[W_HAVE];

    if (*flags & I_ORPHAN && target_is_group(sent)) {
        lose_group(r, sent);
    }
    *flags &= (uint16_t)~I_ORPHAN;
    recon_set_have(r, slot, f->old, recon_mtu_of(r, f->old) != f->mtu);
    /* When the group is absent, that is the error to show and to wait for. */
    if (target_is_group(w[W_WANT])) {
        const struct object *o = recon_find_group(r, w[W_WANT]);
        if (!o || !o->present) {
            recon_failure_clear(r, RECON_FIB, slot, flags);
        }
    }
}

static void land_fib(struct recon *r, const struct flight *f)
{
    const uint32_t slot = (uint32_t)f->ref;
    uint16_t *flags = ptable_flags(r->fib, slot);
    bool refused = *flags & I_REFUSED;

    recon_count_fib(r, slot, -1);
    *flags &= (uint16_t) ~(I_FLIGHT | I_REFUSED);
    recon_count_fib(r, slot, 1);
    if (refused) {
        land_refused_fib(r, slot, f);
    } else {
        recon_failure_clear(r, RECON_FIB, slot, flags);
    }
    recon_evaluate_fib(r, slot);
    recon_unuse_group(r, f->old);
}

bool recon_barrier_done(struct recon *r, uint32_t xid)
{
    uint32_t n = 0;
    size_t i = 0;

    do {
        if (i == r->n_barriers) {
            return false;
        }
        n += r->barriers[i].n;
    } while (r->barriers[i++].xid != xid);
    r->n_barriers -= i;
    memmove(r->barriers, r->barriers + i, r->n_barriers * sizeof *r->barriers);

    for (; n > 0; n--) {
        struct flight f = *recon_flight(r, 0);
        r->first_flight = (r->first_flight + 1) & (r->cap_flights - 1);
        r->n_flights--;
        if (f.what == RECON_FIB) {
            land_fib(r, &f);
        } else {
            land_object(r, recon_object(f.ref), (enum recon_action)f.old);
        }
    }
    shrink_flights(r);
    return true;
}

bool recon_op_failed(struct recon *r, uint32_t serial, enum recon_failure hint,
                     const char *error, int64_t now)
{
    /* Serials run from 1 to MAX_SERIAL; the next one follows the last in flight. */
    uint32_t ago = serial < r->next_serial ? r->next_serial - serial
                                           : r->next_serial + MAX_SERIAL - serial;

    if (!serial || serial > MAX_SERIAL || ago > r->n_flights) {
        return false;
    }
    const struct flight *f = recon_flight(r, r->n_flights - ago);
    uint16_t *flags = recon_flags_of(r, (enum recon_what)f->what, f->ref);
    if (!(*flags & I_REFUSED)) {
        *flags |= I_REFUSED;
        r->wants_audit |= hint != RECON_REFUSED;
        if (f->what != RECON_FIB) {
            recon_object(f->ref)->hint = (uint8_t)hint;
        } else if (hint == RECON_ABSENT) {
            *flags |= I_ORPHAN;
        }
        struct failure_key key = {.what = f->what, .ref = f->ref};
        recon_failure_add(r, key, error, now,
                          f->what != RECON_FIB && hint != RECON_REFUSED);
    }
    return true;
}
