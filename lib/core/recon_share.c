/* Shares of groups: see core/recon.h. */

#include "base/hash.h"
#include "recon_impl.h"

static uint32_t share_id(uint32_t group, uint32_t number)
{
    return number << TARGET_SHARE_SHIFT | group;
}

static struct object *find_share(const struct recon *r, const struct object *group,
                                 uint32_t number)
{
    return recon_find_group(r, share_id(recon_group_id(group), number));
}

uint64_t recon_hash_share(uint32_t to)
{
    uint64_t h = hash_u64(UINT64_C(0x7368617265) << 20 ^ to);
    return h == HASH_FOREIGN ? 1 : h;
}

static void desire_share(struct recon *r, struct object *share)
{
    recon_object_desire(r, share, NULL, 0,
                        recon_hash_share(target_base(recon_group_id(share))));
}

void recon_share_created(struct recon *r, struct object *share)
{
    const uint32_t id = recon_group_id(share);
    struct object *group = recon_get_group(r, target_base(id));

    if (target_share(id) > group->n_shares) {
        group->n_shares = (uint16_t)target_share(id);
    }
    if (group->desired) {
        desire_share(r, share);
    }
}

/* The group is not freed here, since somebody may be going through all objects; an
 * audit finds it.  In the end, when all is freed, it may be gone first. */
void recon_share_freed(struct recon *r, uint32_t id)
{
    struct object *group = recon_find_group(r, target_base(id));

    while (group && group->n_shares && !find_share(r, group, group->n_shares)) {
        group->n_shares--;
    }
}

void recon_shares_follow(struct recon *r, uint32_t group, unsigned n_shares,
                         bool desired)
{
    for (unsigned n = 1; n <= n_shares; n++) {
        struct object *share = recon_find_group(r, share_id(group, n));
        if (share && desired) {
            desire_share(r, share);
        } else {
            recon_object_remove(r, share);
        }
    }
}

bool recon_shares_present(const struct recon *r, const struct object *group)
{
    for (unsigned n = 1; n <= group->n_shares; n++) {
        const struct object *share = find_share(r, group, n);
        if (share && (share->present || share->flags & I_FLIGHT)) {
            return true;
        }
    }
    return false;
}

bool recon_share_may_add(const struct recon *r, const struct object *share)
{
    return recon_find_group(r, target_base(recon_group_id(share)))->present;
}

void recon_shares_wake(struct recon *r, const struct object *group)
{
    for (unsigned n = 1; n <= group->n_shares; n++) {
        struct object *share = find_share(r, group, n);
        if (share && share->desired) {
            recon_evaluate_object(r, share);
        }
    }
}

void recon_share_settled(struct recon *r, uint32_t id)
{
    struct object *group = recon_find_group(r, target_base(id));

    if (group) {
        recon_evaluate_object(r, group);
    }
}

/* Goes round from the share that was filled last: when entries come and go in all of
 * them, there is room close by. */
static uint32_t share_with_room(struct recon *r, struct object *group)
{
    for (unsigned i = 0; i <= group->n_shares; i++) {
        unsigned n = (group->share + i) % (group->n_shares + 1u);
        const struct object *share = n ? find_share(r, group, n) : NULL;
        if (share && share->users < r->share_limit && recon_group_is_usable(share)) {
            group->share = (uint16_t)n;
            return recon_group_id(share);
        }
    }
    return TARGET_NONE;
}

uint32_t recon_share_choose(struct recon *r, struct object *group)
{
    const uint32_t id = recon_group_id(group);

    if (!r->share_limit || group->users < r->share_limit) {
        return id;
    }
    uint32_t share = share_with_room(r, group);
    if (share) {
        return share;
    }
    /* One more, unless the switch did not like the last one. */
    const struct object *last =
        group->n_shares ? find_share(r, group, group->n_shares) : NULL;
    if (group->n_shares == RECON_SHARES_MAX ||
        (last && last->flags & (I_FAILED | I_REFUSED | I_WAIT))) {
        return id;
    }
    recon_get_group(r, share_id(id, group->n_shares + 1u));
    return TARGET_NONE;
}

void recon_set_share_limit(struct recon *r, uint32_t limit)
{
    r->share_limit = limit;
}
