/* MTUs of groups: see core/recon.h.
 *
 * All entries that send to a group have the same MTU, but for those that are stale:
 * they are sent again, as after any other change. */

#include "recon_impl.h"

/* Entries in flight are among them: they are sent again after their barrier. */
static void outdate_users(struct recon *r, uint32_t group)
{
    for (uint32_t s = ptable_next(r->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(r->fib, s)) {
        const uint32_t have = ptable_words(r->fib, s)[W_HAVE];
        if (target_is_group(have) && target_base(have) == group) {
            recon_set_have(r, s, have, true);
            recon_evaluate_fib(r, s);
        }
    }
}

void recon_mtu_changed(struct recon *r, struct object *group)
{
    const uint16_t mtu = r->mtus ? group->mtu : 0;

    if (group->have_mtu != mtu) {
        group->have_mtu = mtu;
        if (group->users || group->n_shares) {
            outdate_users(r, recon_group_id(group));
        }
    }
    group->mtu_known = true;
}

bool recon_mtu_seen(struct recon *r, uint32_t target, uint16_t mtu)
{
    if (!target_is_group(target)) {
        return false;
    }
    struct object *group = recon_get_group(r, target_base(target));
    if (!group->mtu_known) {
        group->have_mtu = mtu;
        group->mtu_known = true;
    }
    return group->have_mtu != mtu;
}

uint16_t recon_mtu_of(const struct recon *r, uint32_t target)
{
    return target_is_group(target) ? recon_find_group(r, target_base(target))->have_mtu
                                   : 0;
}

void recon_set_mtus(struct recon *r, bool mtus)
{
    r->mtus = mtus;
    for (struct object *o = r->groups; o; o = o->hh.next) {
        if (o->rank == RANK_GROUP && o->desired) {
            recon_mtu_changed(r, o);
        }
    }
}
