#include "core/recon.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/hash.h"
#include "recon_impl.h"

uint64_t recon_hash_blob(struct recon_blob b)
{
    uint64_t h = hash_bytes(b.len ? b.data : "", b.len, 1);
    return h == HASH_FOREIGN ? 1 : h;
}

/* The same for all orders of the hops; the weight of a single hop means nothing. */
uint64_t recon_hash_hops(uint16_t n_hops, const struct fib_hop *hops)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n_hops; i++) {
        const struct fib_hop *h = &hops[i];
        uint64_t weight = n_hops == 1 ? 0 : h->weight;
        uint64_t x = hash_u64((uint64_t)h->dp_port << 16 | weight);
        x = hash_u64(x ^ eth_to_u64(h->src));
        sum += hash_u64(x + eth_to_u64(h->dst));
    }
    uint64_t h = hash_u64(sum + n_hops + 1);
    return h == HASH_FOREIGN ? 1 : h;
}

/* Counters. */

static void count(struct recon_counts *c, bool desired, bool present, bool flight,
                  bool equal, int sign)
{
    size_t one = (size_t)sign;

    c->desired += desired ? one : 0;
    c->installed += present && !flight ? one : 0;
    c->pending += flight || !equal ? one : 0;
}

void recon_count_fib(struct recon *r, uint32_t slot, int sign)
{
    const uint32_t *w = ptable_words(r->fib, slot);
    const uint16_t flags = *ptable_flags(r->fib, slot);
    count(&r->counts[RECON_FIB], w[W_WANT], w[W_HAVE], flags & I_FLIGHT,
          recon_fib_is_settled(w, flags), sign);
}

static bool object_is_settled(const struct object *o)
{
    return o->desired == o->present && (!o->desired || o->want == o->have);
}

void recon_count_object(struct recon *r, const struct object *o, int sign)
{
    count(&r->counts[o->what], o->desired, o->present, o->flags & I_FLIGHT,
          object_is_settled(o), sign);
}

/* Objects: aux items and groups. */

struct object *recon_find_object(const struct recon *r, enum recon_what what,
                                 struct recon_blob key)
{
    struct object *map = what == RECON_GROUP ? r->groups : r->aux;
    struct object *o;

    HASH_FIND(hh, map, key.data, key.len, o);
    return o;
}

struct object *recon_get_object(struct recon *r, enum recon_what what, unsigned rank,
                                struct recon_blob key)
{
    struct object *o = recon_find_object(r, what, key);

    if (o) {
        return o;
    }
    o = xcalloc(1, sizeof *o + key.len);
    o->what = (uint8_t)what;
    o->rank = (uint8_t)rank;
    o->lane = NO_LANE;
    o->key_len = key.len;
    memcpy(o->key, key.data, key.len);
    if (what == RECON_GROUP) {
        HASH_ADD(hh, r->groups, key, o->key_len, o);
        if (rank == RANK_SHARE) {
            recon_share_created(r, o);
        }
    } else {
        HASH_ADD(hh, r->aux, key, o->key_len, o);
    }
    return o;
}

struct object *recon_find_group(const struct recon *r, uint32_t id)
{
    return recon_find_object(r, RECON_GROUP, (struct recon_blob){&id, sizeof id});
}

struct object *recon_get_group(struct recon *r, uint32_t id)
{
    return recon_get_object(r, RECON_GROUP,
                            target_is_share(id) ? RANK_SHARE : RANK_GROUP,
                            (struct recon_blob){&id, sizeof id});
}

uint32_t recon_group_id(const struct object *o)
{
    uint32_t id;
    memcpy(&id, o->key, sizeof id);
    return id;
}

void recon_object_leave_lane(struct recon *r, struct object *o)
{
    if (o->lane != NO_LANE) {
        DL_DELETE(r->lanes[o->lane][o->rank], o);
        o->lane = NO_LANE;
    }
}

static void object_join_lane(struct recon *r, struct object *o, uint8_t lane)
{
    if (o->lane != lane) {
        recon_object_leave_lane(r, o);
        DL_APPEND(r->lanes[lane][o->rank], o);
        o->lane = lane;
    }
}

static void object_free(struct recon *r, struct object *o)
{
    const uint32_t share = o->rank == RANK_SHARE ? recon_group_id(o) : 0;

    recon_object_leave_lane(r, o);
    if (o->what == RECON_GROUP) {
        HASH_DELETE(hh, r->groups, o);
    } else {
        HASH_DELETE(hh, r->aux, o);
    }
    free(o->value);
    free(o);
    if (share) {
        recon_share_freed(r, share);
    }
}

void recon_evaluate_object(struct recon *r, struct object *o)
{
    if (o->flags & (I_FLIGHT | I_WAIT)) {
        recon_object_leave_lane(r, o);
    } else if (!object_is_settled(o)) {
        if (!r->known) {
            recon_object_leave_lane(r, o);
        } else {
            object_join_lane(r, o, o->desired ? LANE_ADD : LANE_DEL);
        }
    } else {
        recon_object_leave_lane(r, o);
        recon_failure_clear(r, o->what, recon_ref(o), &o->flags);
        if (!o->desired && !o->users && !o->waiters && !o->n_shares &&
            !(r->auditing && o->flags & I_TOUCHED)) {
            object_free(r, o);
        }
    }
}

/* Users of groups. */

/* One that was refused is believed only when its barrier has come, so that its users
 * are not refused with it again and again. */
bool recon_group_is_usable(const struct object *o)
{
    return o->desired && o->present &&
           (o->flags & (I_FLIGHT | I_FAILED)) != (I_FLIGHT | I_FAILED);
}

void recon_wake_waiters(struct recon *r, struct object *o)
{
    if (o->waiters && recon_group_is_usable(o)) {
        o->waiters = false;
        recon_start_walk(r);
    }
}

void recon_use_group(struct recon *r, uint32_t target)
{
    if (target_is_group(target)) {
        recon_get_group(r, target)->users++;
    }
}

void recon_unuse_group(struct recon *r, uint32_t target)
{
    if (target_is_group(target)) {
        struct object *o = recon_find_group(r, target);
        if (!--o->users) {
            recon_evaluate_object(r, o);
        }
    }
}

void recon_set_have(struct recon *r, uint32_t slot, uint32_t target, bool stale)
{
    uint32_t *have = &ptable_words(r->fib, slot)[W_HAVE];
    uint16_t *flags = ptable_flags(r->fib, slot);
    uint32_t old = *have;

    recon_use_group(r, target);
    recon_count_fib(r, slot, -1);
    *have = target;
    *flags = (uint16_t)((*flags & ~I_STALE) | (stale ? I_STALE : 0));
    recon_count_fib(r, slot, 1);
    recon_unuse_group(r, old);
}

void recon_evaluate_fib(struct recon *r, uint32_t slot)
{
    uint16_t *flags = ptable_flags(r->fib, slot);
    const uint32_t *w = ptable_words(r->fib, slot);

    if (*flags & (I_FLIGHT | I_WAIT)) {
        return;
    }
    if (!recon_fib_is_settled(w, *flags)) {
        if (r->known) {
            ptable_enqueue(r->fib, recon_fib_lane(w, *flags), slot);
        }
        return;
    }
    recon_failure_clear(r, RECON_FIB, slot, flags);
    *flags &= (uint16_t) ~(I_URGENT | I_YIELDED);
    if (!w[W_WANT] && !(recon_audit_concerns_fib(r, slot) && *flags & I_TOUCHED)) {
        ptable_remove(r->fib, slot);
    }
}

uint16_t *recon_flags_of(const struct recon *r, enum recon_what what, uint64_t ref)
{
    return what == RECON_FIB ? ptable_flags(r->fib, (uint32_t)ref)
                             : &recon_object(ref)->flags;
}

/* What is desired. */

static void object_want(struct recon *r, struct object *o, uint64_t hash)
{
    recon_count_object(r, o, -1);
    if (!o->desired || o->want != hash) {
        o->want = hash;
        o->flags &= (uint16_t)~I_WAIT;
    }
    o->desired = true;
    recon_count_object(r, o, 1);
    recon_wake_waiters(r, o);
    recon_evaluate_object(r, o);
}

static void object_set_value(struct object *o, const void *value, uint32_t len)
{
    o->value = xrealloc(o->value, len);
    if (len) {
        memcpy(o->value, value, len);
    }
    o->value_len = len;
}

void recon_object_desire(struct recon *r, struct object *o, const void *value,
                         uint32_t len, uint64_t hash)
{
    if (!o->desired || o->want != hash) {
        object_set_value(o, value, len);
    }
    o->flags |= I_NAMED;
    object_want(r, o, hash);
}

void recon_object_remove(struct recon *r, struct object *o)
{
    if (o && o->desired) {
        recon_count_object(r, o, -1);
        o->desired = false;
        o->flags &= (uint16_t)~I_WAIT;
        recon_count_object(r, o, 1);
        recon_evaluate_object(r, o);
    }
}

static bool aux_is_valid(unsigned rank, struct recon_blob key, struct recon_blob value)
{
    return rank < RECON_RANKS && key.len && key.len <= RECON_BLOB_MAX &&
           value.len <= RECON_BLOB_MAX;
}

bool recon_desire_aux(struct recon *r, unsigned rank, struct recon_blob key,
                      struct recon_blob value)
{
    if (!aux_is_valid(rank, key, value)) {
        return false;
    }
    struct object *o = recon_get_object(r, RECON_AUX, rank, key);
    if (o->rank != rank) {
        recon_object_leave_lane(r, o);
        o->rank = (uint8_t)rank;
    }
    recon_object_desire(r, o, value.data, value.len, recon_hash_blob(value));
    return true;
}

void recon_remove_aux(struct recon *r, struct recon_blob key)
{
    if (key.len) {
        recon_object_remove(r, recon_find_object(r, RECON_AUX, key));
    }
}

static const struct fib_hop *hops_of(const struct object *group)
{
    return (const void *)group->value;
}

uint16_t recon_group_hops(const struct recon *r, const struct object *group)
{
    const uint16_t n = (uint16_t)(group->value_len / sizeof(struct fib_hop));

    return !r->alternates && fib_hops_have_alternate(n, hops_of(group)) ? 1 : n;
}

/* The hops are kept whole, whatever the switch can have of them. */
static void want_hops(struct recon *r, struct object *group)
{
    object_want(r, group, recon_hash_hops(recon_group_hops(r, group), hops_of(group)));
}

void recon_set_alternates(struct recon *r, bool alternates)
{
    r->alternates = alternates;
    for (struct object *o = r->groups; o; o = o->hh.next) {
        if (o->rank == RANK_GROUP && o->desired) {
            want_hops(r, o);
        }
    }
}

bool recon_desire_group(struct recon *r, const struct fib_group *g)
{
    if (!g->id || g->id > RECON_GROUP_MAX || g->n_hops > VM_MAX_HOPS) {
        return false;
    }
    struct object *o = recon_get_group(r, g->id);
    object_set_value(o, g->hops, (uint32_t)(g->n_hops * sizeof g->hops[0]));
    o->flags |= I_NAMED;
    want_hops(r, o);
    recon_shares_follow(r, g->id, o->n_shares, true);
    o->mtu = g->mtu;
    recon_mtu_changed(r, o);
    return true;
}

static void group_remove(struct recon *r, struct object *o)
{
    const uint32_t id = recon_group_id(o);
    const unsigned n_shares = o->n_shares;

    recon_object_remove(r, o); /* Frees it, if nothing is left of it. */
    recon_shares_follow(r, id, n_shares, false);
}

void recon_remove_group(struct recon *r, uint32_t id)
{
    struct object *o = recon_find_group(r, id);

    if (o && o->rank == RANK_GROUP) {
        group_remove(r, o);
    }
}

static void fib_want(struct recon *r, uint32_t slot, uint32_t target)
{
    uint32_t *want = &ptable_words(r->fib, slot)[W_WANT];

    if (*want != target) {
        recon_count_fib(r, slot, -1);
        *want = target;
        *ptable_flags(r->fib, slot) &= (uint16_t)~I_WAIT;
        recon_count_fib(r, slot, 1);
        recon_evaluate_fib(r, slot);
    }
}

bool recon_desire_fib(struct recon *r, const struct fib_entry *e)
{
    uint32_t target = target_pack(e->target);

    if (!target || (target_is_group(target) && target > RECON_GROUP_MAX) ||
        !prefix_is_valid(&e->prefix)) {
        return false;
    }
    uint32_t slot = ptable_insert(r->fib, &e->prefix);
    *ptable_flags(r->fib, slot) |= I_NAMED;
    fib_want(r, slot, target);
    return true;
}

void recon_remove_fib(struct recon *r, const struct ip_prefix *prefix)
{
    uint32_t slot = prefix_is_valid(prefix) ? ptable_find(r->fib, prefix) : PTABLE_NONE;

    if (slot != PTABLE_NONE) {
        fib_want(r, slot, TARGET_NONE);
    }
}

void recon_prefetch_fib(const struct recon *r, const struct ip_prefix *prefix)
{
    ptable_prefetch(r->fib, prefix);
}

void recon_hurry_fib(struct recon *r, const struct ip_prefix *prefix)
{
    uint32_t slot = prefix_is_valid(prefix) ? ptable_find(r->fib, prefix) : PTABLE_NONE;

    if (slot != PTABLE_NONE && !recon_fib_is_settled(ptable_words(r->fib, slot),
                                                     *ptable_flags(r->fib, slot))) {
        *ptable_flags(r->fib, slot) |= I_URGENT;
        recon_evaluate_fib(r, slot);
    }
}

/* Full download. */

void recon_begin(struct recon *r)
{
    for (struct object *o = r->aux; o; o = o->hh.next) {
        o->flags &= (uint16_t)~I_NAMED;
    }
    for (struct object *o = r->groups; o; o = o->hh.next) {
        o->flags &= (uint16_t)~I_NAMED;
    }
    for (uint32_t s = ptable_next(r->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(r->fib, s)) {
        *ptable_flags(r->fib, s) &= (uint16_t)~I_NAMED;
    }
    r->syncing = true;
}

static void sweep_aux(struct recon *r)
{
    struct object *o, *next;

    HASH_ITER (hh, r->aux, o, next) {
        if (!(o->flags & I_NAMED)) {
            recon_object_remove(r, o);
        }
    }
}

/* By id, since removing a group may free any of its shares. */
static void sweep_groups(struct recon *r)
{
    uint32_t *ids = xmalloc((HASH_COUNT(r->groups) + 1) * sizeof *ids);
    size_t n = 0;

    for (const struct object *o = r->groups; o; o = o->hh.next) {
        if (o->rank == RANK_GROUP && !(o->flags & I_NAMED)) {
            ids[n++] = recon_group_id(o);
        }
    }
    while (n > 0) {
        recon_remove_group(r, ids[--n]);
    }
    free(ids);
}

void recon_end(struct recon *r)
{
    if (!r->syncing) {
        return;
    }
    r->syncing = false;
    r->complete = true;
    for (uint32_t s = ptable_next(r->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(r->fib, s)) {
        if (!(*ptable_flags(r->fib, s) & I_NAMED)) {
            fib_want(r, s, TARGET_NONE);
        }
    }
    sweep_groups(r);
    sweep_aux(r);
}

bool recon_is_complete(const struct recon *r)
{
    return r->complete;
}

bool recon_is_known(const struct recon *r)
{
    return r->known;
}

bool recon_in_sync(const struct recon *r)
{
    bool settled = r->known && r->complete && !r->syncing;

    for (int what = RECON_AUX; what <= RECON_FIB; what++) {
        settled &= !r->counts[what].pending;
    }
    return settled;
}

/* For people. */

void recon_counts(const struct recon *r, enum recon_what what, struct recon_counts *ret)
{
    *ret = r->counts[what];
}

uint64_t recon_changes(const struct recon *r)
{
    return r->changes;
}

size_t recon_memory(const struct recon *r)
{
    return ptable_memory(r->fib) + r->cap_flights * sizeof *r->flights;
}

void recon_fib_state(const struct recon *r, const struct ip_prefix *prefix,
                     struct fib_target *ret_desired, struct fib_target *ret_installed)
{
    uint32_t slot = prefix_is_valid(prefix) ? ptable_find(r->fib, prefix) : PTABLE_NONE;
    static const uint32_t none[N_WORDS];
    const uint32_t *w = slot == PTABLE_NONE ? none : ptable_words(r->fib, slot);

    *ret_desired = target_unpack(w[W_WANT]);
    *ret_installed = target_unpack(target_base(w[W_HAVE]));
}

struct recon *recon_create(int64_t retry_min_ms, int64_t retry_max_ms)
{
    struct recon *r = xcalloc(1, sizeof *r);

    r->retry_min_ms = retry_min_ms;
    r->retry_max_ms = retry_max_ms;
    r->fib = ptable_create(N_WORDS);
    r->next_serial = 1;
    return r;
}

void recon_destroy(struct recon *r)
{
    struct object *o, *next;

    if (!r) {
        return;
    }
    recon_failure_clear_all(r);
    HASH_ITER (hh, r->aux, o, next) {
        object_free(r, o);
    }
    HASH_ITER (hh, r->groups, o, next) {
        object_free(r, o);
    }
    ptable_destroy(r->fib);
    free(r->flights);
    free(r->barriers);
    free(r);
}
