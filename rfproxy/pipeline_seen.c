/* The inverse of pipeline.c: from what a switch reports back to items. */

#include <string.h>

#include "pipeline_item.h"

/* Flow entries. */

static bool is_fib_match(const struct of_flow_stats *fs, struct ip_prefix *ret)
{
    const struct of_match *m = &fs->match;
    struct ip_prefix prefix = {0};
    struct of_match again;

    if (fs->table_id != PIPELINE_FIB || !of_match_has(m, OF_F_ETH_TYPE)) {
        return false;
    }
    prefix.addr.version = m->eth_type == 0x0800   ? IP_V4
                          : m->eth_type == 0x86dd ? IP_V6
                                                  : IP_NONE;
    const unsigned plen = fs->priority - PIPELINE_FIB_PRIORITY;
    if (plen > ip_width(prefix.addr.version) || prefix.addr.version == IP_NONE) {
        return false;
    }
    prefix.plen = (uint8_t)plen;
    if (prefix.addr.version == IP_V4 && of_match_has(m, OF_F_IPV4_DST)) {
        prefix.addr = ip_from_v4(m->ipv4_dst);
    } else if (of_match_has(m, OF_F_IPV6_DST)) {
        prefix.addr = ip_from_bytes(IP_V6, m->ipv6_dst.b);
    }
    prefix_canonicalize(&prefix);
    /* The priority says how long it must be; whether it is so, and whether something
     * else is matched too, is seen by making the match again. */
    fib_match(&prefix, &again);
    if (!of_match_equal(m, &again)) {
        return false;
    }
    *ret = prefix;
    return true;
}

/* No timeouts, and no flag but the one that speaks of the moment of installation: so we
 * install entries. */
static bool is_plain(const struct of_flow_stats *fs)
{
    return !fs->idle_timeout && !fs->hard_timeout &&
           !(fs->flags & ~OFPFF_RESET_COUNTS) && !(fs->inst.present & OF_I_UNKNOWN) &&
           !fs->inst.apply.truncated && !fs->inst.write.truncated;
}

/* The group to which a FIB entry may send, with the MTU that it may look at. */
static struct fib_target group_target(const struct of_instructions *inst)
{
    const struct of_action *check = inst->apply.a;
    const struct of_action *group = check;
    uint16_t mtu = 0;

    if (!(inst->present & OF_I_APPLY) || inst->apply.n != 1) {
        return (struct fib_target){0};
    }
    if (check->kind == OF_A_CHECK_LARGER && inst->present & OF_I_WRITE &&
        inst->write.n == 1 && check->length > ETH_HEADER) {
        mtu = (uint16_t)(check->length - ETH_HEADER);
        group = inst->write.a;
    }
    return group->kind == OF_A_GROUP && group->group_id & PIPELINE_GROUP
               ? (struct fib_target){.verdict = FIB_GROUP,
                                     .group = group->group_id & ~PIPELINE_GROUP,
                                     .mtu = mtu}
               : (struct fib_target){0};
}

static struct fib_target fib_target_of(const struct pipeline_config *config,
                                       const struct ip_prefix *prefix,
                                       const struct of_flow_stats *fs)
{
    const struct fib_target candidates[] = {
        {.verdict = FIB_PUNT}, {.verdict = FIB_DROP}, group_target(&fs->inst)};

    /* With another cookie, of an earlier version maybe, no audit would find it. */
    if (!is_plain(fs) || fs->cookie != pipeline_fib_cookie(prefix)) {
        return (struct fib_target){0};
    }
    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        struct of_instructions inst;
        if (candidates[i].verdict) {
            fib_instructions(config, &candidates[i], &inst);
            if (of_instructions_equal(&inst, &fs->inst)) {
                return candidates[i];
            }
        }
    }
    return (struct fib_target){0};
}

void pipeline_seen_flow(const struct pipeline_config *config, struct recon *recon,
                        const struct of_flow_stats *fs)
{
    struct fib_entry entry = {0};
    struct buf key = {0}, value = {0};

    if ((fs->cookie & PIPELINE_COOKIE_MASK) != PIPELINE_COOKIE || fs->match.unknown) {
        return;
    }
    if (is_fib_match(fs, &entry.prefix)) {
        entry.target = fib_target_of(config, &entry.prefix, fs);
        recon_seen_fib(recon, &entry);
        return;
    }
    item_put_flow_key(&key, fs->table_id, fs->priority, &fs->match);
    if (is_plain(fs)) {
        item_put_flow_value(&value, fs->cookie, &fs->inst);
    }
    recon_seen_aux(recon, item_rank(item_blob(&key)), item_blob(&key),
                   item_blob(&value));
    buf_uninit(&key);
    buf_uninit(&value);
}

/* Groups. */

/* The weight is one for a group of this type, of its first bucket. */
static bool hop_of(const struct of_bucket *bucket, uint8_t type, struct fib_hop *ret)
{
    const struct of_actions *actions = &bucket->actions;
    const struct of_action *a = actions->a;

    if (actions->truncated || actions->n != 4 || a[0].kind != OF_A_SET_ETH_SRC ||
        a[1].kind != OF_A_SET_ETH_DST || a[2].kind != OF_A_DEC_NW_TTL ||
        a[3].kind != OF_A_OUTPUT ||
        (bucket->watch_port != OFPP_ANY && bucket->watch_port != a[3].output.port)) {
        return false;
    }
    *ret = (struct fib_hop){.src = a[0].eth,
                            .dst = a[1].eth,
                            .dp_port = a[3].output.port,
                            .weight = type == OFPGT_SELECT ? bucket->weight : 1};
    return true;
}

static bool group_of(const struct of_group_desc *desc, struct fib_group *ret)
{
    const bool failover = desc->type == OFPGT_FF;
    const bool several = failover || desc->type == OFPGT_SELECT;
    struct cursor c = desc->buckets;
    struct of_bucket bucket;
    enum of_err err = OF_OK;
    unsigned n_buckets = 0;

    if (!several && desc->type != OFPGT_INDIRECT) {
        return false;
    }
    ret->n_hops = 0;
    while (of_bucket_next(&c, &bucket, &err)) {
        const bool drops = !several && bucket.actions.n == 0;
        if (n_buckets++ == VM_MAX_HOPS ||
            (!drops && !hop_of(&bucket, desc->type, &ret->hops[ret->n_hops++])) ||
            (failover && bucket.watch_port == OFPP_ANY)) {
            return false;
        }
    }
    if (err != OF_OK || n_buckets == 0 || (n_buckets > 1) != several ||
        (failover && n_buckets != 2)) {
        return false;
    }
    if (failover) {
        ret->hops[1].weight = 0;
    }
    pipeline_canonical_group(ret);
    return true;
}

/* A share (core/recon.h): its only bucket does nothing but send to another group of
 * ours.  Returns that group's id, or 0. */
static uint32_t shared_group(const struct of_group_desc *desc)
{
    struct cursor c = desc->buckets;
    struct of_bucket bucket;
    enum of_err err = OF_OK;

    if (desc->type != OFPGT_INDIRECT || !of_bucket_next(&c, &bucket, &err) || c.n ||
        bucket.actions.truncated || bucket.actions.n != 1) {
        return 0;
    }
    const struct of_action *a = &bucket.actions.a[0];
    return a->kind == OF_A_GROUP && a->group_id & PIPELINE_GROUP
               ? a->group_id & ~PIPELINE_GROUP
               : 0;
}

void pipeline_seen_group(struct recon *recon, const struct of_group_desc *desc)
{
    const uint32_t id = desc->group_id & ~PIPELINE_GROUP;
    struct fib_group group;

    if (!(desc->group_id & PIPELINE_GROUP) || id == 0 || id > PIPELINE_GROUP_MAX) {
        return;
    }
    const uint32_t shared = shared_group(desc);
    if (shared) {
        recon_seen_share(recon, id, shared);
    } else if (group_of(desc, &group)) {
        recon_seen_group(recon, id, group.n_hops, group.hops);
    } else {
        recon_seen_group(recon, id, 0, NULL);
    }
}

/* Meters. */

void pipeline_seen_meter(struct recon *recon, const struct of_meter_config *mc)
{
    struct item_meter meter = {.id = mc->meter_id, .flags = mc->flags & ~OFPMF_STATS};
    struct cursor c = mc->bands;
    struct of_meter_band band;
    enum of_err err = OF_OK;
    unsigned n = 0;
    struct buf key = {0}, value = {0};

    if (mc->meter_id == 0 || mc->meter_id > PIPELINE_METERS) {
        return;
    }
    while (of_meter_band_next(&c, &band, &err)) {
        n += band.type == OFPMBT_DROP ? 1 : 2;
        meter.rate = band.rate;
        meter.burst = band.burst_size;
    }
    item_put_meter_key(&key, meter.id);
    if (n == 1 && err == OF_OK) {
        item_put_meter_value(&value, &meter);
    }
    recon_seen_aux(recon, item_rank(item_blob(&key)), item_blob(&key),
                   item_blob(&value));
    buf_uninit(&key);
    buf_uninit(&value);
}
