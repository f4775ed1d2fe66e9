#ifndef SIM_SWITCH_H
#define SIM_SWITCH_H 1

/* A switch as reconciliation meets it: requests wait in a queue, are done in order, and
 * their replies wait in another one.  With `strict`, an operation that a correct peer
 * would not send fails the test. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/recon.h"
#include "dice.h"

#define SIM_PREFIXES 40
#define SIM_GROUPS 8
#define SIM_AUX 8
#define SIM_CHUNKS 5  /* Parts of a dump. */
#define SIM_SHARES 40 /* Of a group: numbers 1... */
#define SIM_QUEUE 4096

struct sim_state {
    uint32_t fib[SIM_PREFIXES]; /* 0 none, 1..SIM_GROUPS group, then punt and drop. */
    uint8_t groups[SIM_GROUPS + 1]; /* 0 none, else number of hops + 1. */
    uint8_t aux[SIM_AUX];           /* 0 none, else the value. */
};

struct sim_request {
    enum { SIM_OP, SIM_BARRIER, SIM_DUMP } type;
    enum recon_what what;
    enum recon_action action;
    uint32_t id; /* Serial, xid or chunk. */
    uint32_t item, value;
    uint32_t share; /* Of group `item`, or of that which a FIB entry sends to. */
    uint16_t mtu;   /* Of a FIB entry. */
};

struct sim_reply {
    enum { SIM_ERROR, SIM_BARRIER_REPLY, SIM_SEEN, SIM_DUMP_END } type;
    uint32_t id;
    enum recon_failure hint;
    enum recon_what what;
    uint32_t item, value;
    uint32_t share;
    uint16_t mtu;
};

struct sim_switch {
    struct sim_state state;
    uint8_t via[SIM_PREFIXES];                   /* Which share, 0: the group. */
    uint16_t mtus[SIM_PREFIXES];                 /* That the entries look at. */
    bool shares[SIM_GROUPS + 1][SIM_SHARES + 1]; /* Which there are. */
    bool strict;
    uint32_t refuse; /* One of so many operations; 0 for none. */
    struct sim_request requests[SIM_QUEUE];
    int n_requests;
    struct sim_reply replies[SIM_QUEUE];
    int n_replies;
    uint64_t n_ops;
};

static inline struct ip_prefix sim_prefix(uint32_t i)
{
    struct ip_prefix p = {.addr = ip_from_v4(0x0a000000 + (i << 8)), .plen = 24};
    return i & 1 ? p
                 : (struct ip_prefix){.addr = ip("2001:db8::"),
                                      .plen = (uint8_t)(40 + i)};
}

static inline uint32_t sim_prefix_index(const struct ip_prefix *p)
{
    for (uint32_t i = 0; i < SIM_PREFIXES; i++) {
        struct ip_prefix q = sim_prefix(i);
        if (prefix_equal(p, &q)) {
            return i;
        }
    }
    ck_abort_msg("unknown prefix");
}

static inline struct fib_target sim_target(uint32_t v)
{
    return v <= SIM_GROUPS ? (struct fib_target){.verdict = FIB_GROUP, .group = v}
                           : (struct fib_target){
                                 .verdict = v == SIM_GROUPS + 1 ? FIB_PUNT : FIB_DROP};
}

static inline uint32_t sim_target_value(struct fib_target t)
{
    return t.verdict == FIB_GROUP  ? t.group & RECON_GROUP_MAX
           : t.verdict == FIB_PUNT ? SIM_GROUPS + 1
                                   : SIM_GROUPS + 2;
}

/* Those of three hops and more have one. */
static inline uint16_t sim_mtu(uint32_t value)
{
    return value > 3 ? (uint16_t)(1000 + value) : 0;
}

static inline struct fib_group sim_group(uint32_t id, uint32_t value)
{
    struct fib_group g = {
        .id = id, .mtu = sim_mtu(value), .n_hops = (uint16_t)(value - 1)};
    for (uint32_t i = 0; i + 1 < value; i++) {
        g.hops[i] = (struct fib_hop){.dp_port = i + id,
                                     .weight = (uint16_t)(1 + i),
                                     .src = {.ea = {2}},
                                     .dst = {.ea = {2, (uint8_t)i}}};
    }
    return g;
}

static inline struct recon_blob sim_blob(const uint8_t *octet)
{
    return (struct recon_blob){octet, 1};
}

static inline unsigned sim_rank(uint32_t aux)
{
    return aux % RECON_RANKS;
}

static inline void sim_reply(struct sim_switch *sw, struct sim_reply r)
{
    MUST(sw->n_replies < SIM_QUEUE);
    sw->replies[sw->n_replies++] = r;
}

static inline void sim_request(struct sim_switch *sw, struct sim_request r)
{
    MUST(sw->n_requests < SIM_QUEUE);
    sw->requests[sw->n_requests++] = r;
}

static inline void sim_send_op(struct sim_switch *sw, const struct recon_op *op)
{
    struct sim_request r = {
        .type = SIM_OP, .what = op->what, .action = op->action, .id = op->serial};

    if (op->what == RECON_FIB) {
        r.item = sim_prefix_index(&op->fib.prefix);
        r.value = op->action == RECON_DELETE ? 0 : sim_target_value(op->fib.target);
        r.share = r.value && r.value <= SIM_GROUPS ? op->fib.target.group >> 20 : 0;
        r.mtu = r.value ? op->fib.target.mtu : 0;
    } else if (op->what == RECON_GROUP && op->group.to) {
        MUST(op->group.to == (op->group.id & RECON_GROUP_MAX) && !op->group.n_hops);
        r.item = op->group.to;
        r.share = op->group.id >> 20;
        r.value = op->action != RECON_DELETE;
    } else if (op->what == RECON_GROUP) {
        r.item = op->group.id;
        r.value = op->action == RECON_DELETE ? 0 : op->group.n_hops + 1u;
        struct fib_group g = sim_group(r.item, r.value ? r.value : 1);
        MUST(!r.value || !g.n_hops ||
             !memcmp(g.hops, op->group.hops, g.n_hops * sizeof g.hops[0]));
    } else {
        MUST(op->aux.key.len == 1);
        r.item = *(const uint8_t *)op->aux.key.data;
        r.value = op->action == RECON_DELETE ? 0 : *(const uint8_t *)op->aux.value.data;
        MUST(op->aux.rank == sim_rank(r.item));
    }
    sw->n_ops++;
    sim_request(sw, r);
}

static inline bool sim_group_is_used(const struct sim_state *s, uint32_t id)
{
    bool used = false;
    for (int i = 0; i < SIM_PREFIXES; i++) {
        used |= s->fib[i] == id;
    }
    return used;
}

/* Forgets entries that send to a group, or to a share of it. */
static inline bool sim_drop_users(struct sim_switch *sw, uint32_t id, uint32_t share)
{
    bool any = false;
    for (int i = 0; i < SIM_PREFIXES; i++) {
        if (sw->state.fib[i] == id && sw->via[i] == share) {
            sw->state.fib[i] = sw->via[i] = 0;
            any = true;
        }
    }
    return any;
}

static inline bool sim_has_shares(const struct sim_switch *sw, uint32_t id)
{
    bool any = false;
    for (int n = 1; n <= SIM_SHARES; n++) {
        any |= sw->shares[id][n];
    }
    return any;
}

static inline void sim_do_share(struct sim_switch *sw, const struct sim_request *r)
{
    bool *share = &sw->shares[r->item][r->share];
    struct sim_reply error = {.type = SIM_ERROR, .id = r->id};

    MUST(r->share && r->share <= SIM_SHARES);
    if ((r->action == RECON_ADD) == *share) {
        MUST_MSG(!sw->strict, "share %u of %u: action %d", r->share, r->item,
                 r->action);
        error.hint = *share ? RECON_EXISTS : RECON_ABSENT;
        if (r->action != RECON_DELETE) {
            sim_reply(sw, error);
        }
        return;
    }
    if (r->action == RECON_DELETE) {
        MUST(!sim_drop_users(sw, r->item, r->share) || !sw->strict);
    } else {
        MUST(!sw->strict || sw->state.groups[r->item]);
    }
    *share = r->action != RECON_DELETE;
}

static inline void sim_do_group(struct sim_switch *sw, const struct sim_request *r)
{
    uint8_t *group = &sw->state.groups[r->item];
    struct sim_reply error = {.type = SIM_ERROR, .id = r->id};

    if ((r->action == RECON_ADD) == (*group != 0)) {
        MUST_MSG(!sw->strict, "group %u: action %d", r->item, r->action);
        error.hint = *group ? RECON_EXISTS : RECON_ABSENT;
        if (r->action != RECON_DELETE) { /* Deleting what is not there is no error. */
            sim_reply(sw, error);
        }
        return;
    }
    if (r->action == RECON_DELETE) {
        MUST_MSG(!sw->strict || (!sim_group_is_used(&sw->state, r->item) &&
                                 !sim_has_shares(sw, r->item)),
                 "group %u deleted while used", r->item);
        sim_drop_users(sw, r->item, 0);
    }
    *group = (uint8_t)r->value;
}

static inline void sim_do_op(struct sim_switch *sw, struct dice *d,
                             const struct sim_request *r)
{
    if (sw->refuse && roll(d, sw->refuse) == 0) {
        sim_reply(sw, (struct sim_reply){.type = SIM_ERROR, .id = r->id});
    } else if (r->what == RECON_GROUP) {
        r->share ? sim_do_share(sw, r) : sim_do_group(sw, r);
    } else if (r->what == RECON_FIB) {
        uint32_t *entry = &sw->state.fib[r->item];
        if (r->value && r->value <= SIM_GROUPS &&
            (r->share ? !sw->shares[r->value][r->share]
                      : !sw->state.groups[r->value])) {
            MUST_MSG(!sw->strict, "FIB entry to absent group %u", r->value);
            sim_reply(sw, (struct sim_reply){
                              .type = SIM_ERROR, .id = r->id, .hint = RECON_ABSENT});
            return;
        }
        MUST(!sw->strict || (r->action == RECON_ADD) == !*entry);
        *entry = r->value;
        sw->via[r->item] = (uint8_t)r->share;
        sw->mtus[r->item] = r->mtu;
    } else {
        uint8_t *aux = &sw->state.aux[r->item];
        MUST(!sw->strict || (r->action == RECON_ADD) == !*aux);
        *aux = (uint8_t)r->value;
    }
}

static inline void sim_do_dump(struct sim_switch *sw, uint32_t chunk)
{
    const struct sim_state *s = &sw->state;

    for (uint32_t i = 0; i < SIM_PREFIXES; i++) {
        if (i % SIM_CHUNKS == chunk && s->fib[i]) {
            sim_reply(sw, (struct sim_reply){SIM_SEEN, 0, 0, RECON_FIB, i, s->fib[i],
                                             sw->via[i], sw->mtus[i]});
        }
    }
    for (uint32_t i = 0; i <= SIM_GROUPS; i++) {
        if (i % SIM_CHUNKS == chunk && s->groups[i]) {
            sim_reply(sw, (struct sim_reply){SIM_SEEN, 0, 0, RECON_GROUP, i,
                                             s->groups[i], 0, 0});
        }
        for (uint32_t n = 1; n <= SIM_SHARES && i % SIM_CHUNKS == chunk; n++) {
            if (sw->shares[i][n]) {
                sim_reply(sw,
                          (struct sim_reply){SIM_SEEN, 0, 0, RECON_GROUP, i, 0, n, 0});
            }
        }
    }
    for (uint32_t i = 0; i < SIM_AUX; i++) {
        if (i % SIM_CHUNKS == chunk && s->aux[i]) {
            sim_reply(
                sw, (struct sim_reply){SIM_SEEN, 0, 0, RECON_AUX, i, s->aux[i], 0, 0});
        }
    }
    sim_reply(sw, (struct sim_reply){.type = SIM_DUMP_END, .id = chunk});
}

/* Does at most `max` requests. */
static inline void sim_work(struct sim_switch *sw, struct dice *d, int max)
{
    int n = MIN(max, sw->n_requests);

    for (int i = 0; i < n; i++) {
        const struct sim_request *r = &sw->requests[i];
        if (r->type == SIM_OP) {
            sim_do_op(sw, d, r);
        } else if (r->type == SIM_BARRIER) {
            sim_reply(sw, (struct sim_reply){.type = SIM_BARRIER_REPLY, .id = r->id});
        } else {
            sim_do_dump(sw, r->id);
        }
    }
    sw->n_requests -= n;
    memmove(sw->requests, sw->requests + n,
            (size_t)sw->n_requests * sizeof sw->requests[0]);
}

#endif
