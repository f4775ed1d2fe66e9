#include "unit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sim_switch.h"

/* Random interleavings of wishes, operations, barriers, errors, lost connections and
 * audits: the switch always ends up with exactly what is desired. */

struct world {
    struct dice dice;
    struct recon *recon;
    struct sim_switch *sw;
    struct sim_state want;
    struct sim_state named; /* During a download: what was named, as 1. */
    bool syncing, complete;
    bool auditing;
    bool portions; /* Each chunk is asked for when the one before has come. */
    bool judging;  /* All has come; it is judged in slices. */
    uint32_t share_limit;
    bool mtus;
    int64_t now;
    uint32_t next_xid;
};

static void desire_fib(struct world *w, uint32_t i, uint32_t v)
{
    struct fib_entry e = {.prefix = sim_prefix(i), .target = sim_target(v)};
    w->want.fib[i] = v;
    w->named.fib[i] = 1;
    MUST(recon_desire_fib(w->recon, &e));
}

static void remove_fib(struct world *w, uint32_t i)
{
    struct ip_prefix p = sim_prefix(i);
    w->want.fib[i] = 0;
    recon_remove_fib(w->recon, &p);
}

static void hurry_fib(struct world *w, uint32_t i)
{
    struct ip_prefix p = sim_prefix(i);

    if (roll(&w->dice, 2)) {
        recon_hurry_fib(w->recon, &p);
    }
}

static void desire_group(struct world *w, uint32_t id, uint32_t v)
{
    struct fib_group g = sim_group(id, v);
    w->want.groups[id] = (uint8_t)v;
    w->named.groups[id] = 1;
    MUST(recon_desire_group(w->recon, &g));
}

static void desire_aux(struct world *w, uint32_t i, uint8_t v)
{
    uint8_t key = (uint8_t)i;
    w->want.aux[i] = v;
    w->named.aux[i] = 1;
    MUST(recon_desire_aux(w->recon, sim_rank(i), sim_blob(&key), sim_blob(&v)));
}

static void begin(struct world *w)
{
    recon_begin(w->recon);
    w->syncing = true;
    memset(&w->named, 0, sizeof w->named);
}

/* A group that a FIB entry uses is named before the end. */
static void end(struct world *w)
{
    for (uint32_t i = 0; i < SIM_PREFIXES; i++) {
        uint32_t v = w->want.fib[i];
        if (w->named.fib[i] && v && v <= SIM_GROUPS && !w->named.groups[v]) {
            desire_group(w, v, w->want.groups[v] ? w->want.groups[v] : 1);
        }
    }
    recon_end(w->recon);
    for (int i = 0; i < SIM_PREFIXES; i++) {
        w->want.fib[i] *= w->named.fib[i];
    }
    for (int i = 0; i <= SIM_GROUPS; i++) {
        w->want.groups[i] *= w->named.groups[i];
    }
    for (int i = 0; i < SIM_AUX; i++) {
        w->want.aux[i] *= w->named.aux[i];
    }
    w->syncing = false;
    w->complete = true;
}

static void name_everything(struct world *w)
{
    for (uint32_t i = 1; i <= SIM_GROUPS; i++) {
        if (w->want.groups[i]) {
            desire_group(w, i, w->want.groups[i]);
        }
    }
    for (uint32_t i = 0; i < SIM_PREFIXES; i++) {
        if (w->want.fib[i]) {
            desire_fib(w, i, w->want.fib[i]);
        }
    }
    for (uint32_t i = 0; i < SIM_AUX; i++) {
        if (w->want.aux[i]) {
            desire_aux(w, i, w->want.aux[i]);
        }
    }
}

static void wish(struct world *w)
{
    struct dice *d = &w->dice;
    uint32_t i = roll(d, SIM_PREFIXES), id = 1 + roll(d, SIM_GROUPS);

    switch (roll(d, 10)) {
    case 0:
        if (w->want.groups[id] && !sim_group_is_used(&w->want, id)) {
            w->want.groups[id] = 0;
            recon_remove_group(w->recon, id);
        }
        break;
    case 1:
    case 2:
        desire_group(w, id, 1 + roll(d, 5));
        break;
    case 3:
        remove_fib(w, i);
        hurry_fib(w, i);
        break;
    case 4: {
        uint8_t key = (uint8_t)roll(d, SIM_AUX);
        w->want.aux[key] = 0;
        recon_remove_aux(w->recon, sim_blob(&key));
        break;
    }
    case 5:
        desire_aux(w, roll(d, SIM_AUX), (uint8_t)(1 + roll(d, 3)));
        break;
    default: {
        uint32_t v = 1 + roll(d, SIM_GROUPS + 2);
        if (v > SIM_GROUPS || w->want.groups[v]) {
            desire_fib(w, i, v);
            hurry_fib(w, i);
        }
    }
    }
}

static int take_ops(struct world *w, int max)
{
    struct recon_op op;
    int n = 0;

    while (n < max && recon_next_op(w->recon, w->now, &op)) {
        if (op.action == RECON_DELETE) {
            MUST(w->complete && !w->syncing);
        }
        sim_send_op(w->sw, &op);
        n++;
    }
    return n;
}

static void send_barrier(struct world *w)
{
    recon_barrier_sent(w->recon, ++w->next_xid);
    sim_request(w->sw, (struct sim_request){.type = SIM_BARRIER, .id = w->next_xid});
}

static void start_audit(struct world *w)
{
    if (!w->auditing || (w->judging && roll(&w->dice, 2))) {
        recon_audit_begin(w->recon);
        w->auditing = true;
        w->judging = false;
        for (uint32_t i = 0; i < (w->portions ? 1 : SIM_CHUNKS); i++) {
            sim_request(w->sw, (struct sim_request){.type = SIM_DUMP, .id = i});
        }
    }
}

static void judge(struct world *w, size_t max)
{
    size_t differences;

    if (w->judging && recon_audit_slice(w->recon, max, &differences)) {
        MUST(!w->sw->strict || !differences);
        w->auditing = w->judging = false;
    }
}

static void dump_end(struct world *w, uint32_t chunk)
{
    if (chunk == SIM_CHUNKS - 1) {
        w->judging = true;
        judge(w, roll(&w->dice, 2 * SIM_PREFIXES));
    } else if (w->portions) {
        sim_request(w->sw, (struct sim_request){.type = SIM_DUMP, .id = chunk + 1});
    }
}

static void handle_seen(struct world *w, const struct sim_reply *r)
{
    if (r->what == RECON_FIB) {
        struct fib_entry e = {.prefix = sim_prefix(r->item),
                              .target = sim_target(r->value)};
        e.target.group |= r->share << 20;
        e.target.mtu = r->mtu;
        recon_seen_fib(w->recon, &e);
    } else if (r->what == RECON_GROUP && r->share) {
        recon_seen_share(w->recon, r->share << 20 | r->item, r->item);
    } else if (r->what == RECON_GROUP) {
        struct fib_group g = sim_group(r->item, r->value);
        recon_seen_group(w->recon, g.id, g.n_hops, g.hops);
    } else {
        uint8_t key = (uint8_t)r->item, value = (uint8_t)r->value;
        recon_seen_aux(w->recon, sim_rank(key), sim_blob(&key), sim_blob(&value));
    }
}

static void handle_replies(struct world *w, int max)
{
    struct sim_switch *sw = w->sw;
    int n = MIN(max, sw->n_replies);

    for (int i = 0; i < n; i++) {
        const struct sim_reply *r = &sw->replies[i];
        if (r->type == SIM_ERROR) {
            MUST(recon_op_failed(w->recon, r->id, r->hint, "it did not like it",
                                 w->now));
        } else if (r->type == SIM_BARRIER_REPLY) {
            MUST(recon_barrier_done(w->recon, r->id));
        } else if (r->type == SIM_SEEN) {
            handle_seen(w, r);
        } else {
            dump_end(w, r->id);
        }
    }
    sw->n_replies -= n;
    memmove(sw->replies, sw->replies + n,
            (size_t)sw->n_replies * sizeof sw->replies[0]);
}

static void reconnect(struct world *w)
{
    sim_work(w->sw, &w->dice, (int)roll(&w->dice, 30)); /* Some still came through. */
    w->sw->n_requests = w->sw->n_replies = 0;
    recon_disconnected(w->recon);
    w->auditing = w->judging = false;
    MUST(recon_in_flight(w->recon) == 0);
    MUST(take_ops(w, 1) == 0);
    start_audit(w);
}

/* Somebody else changes the switch; only an audit can see it. */
static void tamper(struct world *w)
{
    struct sim_state *s = &w->sw->state;
    uint32_t id = 1 + roll(&w->dice, SIM_GROUPS);

    switch (roll(&w->dice, 5)) {
    case 0: {
        uint32_t i = roll(&w->dice, SIM_PREFIXES);
        s->fib[i] = roll(&w->dice, 2) * (SIM_GROUPS + 1);
        w->sw->via[i] = 0;
        w->sw->mtus[i] = 0;
        break;
    }
    case 1:
        s->groups[id] = (uint8_t)roll(&w->dice, 3);
        if (!s->groups[id]) {
            sim_drop_users(w->sw, id, 0);
        }
        break;
    case 2: {
        uint32_t n = 1 + roll(&w->dice, 3);
        w->sw->shares[id][n] = roll(&w->dice, 2);
        if (!w->sw->shares[id][n]) {
            sim_drop_users(w->sw, id, n);
        }
        break;
    }
    case 3:
        w->sw->mtus[roll(&w->dice, SIM_PREFIXES)] =
            (uint16_t)(1004 * roll(&w->dice, 2));
        break;
    default:
        s->aux[roll(&w->dice, SIM_AUX)] = (uint8_t)roll(&w->dice, 3);
    }
}

/* Runs until nothing is left to do; returns the number of operations. */
static int settle(struct world *w)
{
    int n_ops = 0, idle = 0;

    while (idle < 3) {
        int n = take_ops(w, INT_MAX);
        n_ops += n;
        if (recon_wants_audit(w->recon)) {
            start_audit(w);
        }
        if (recon_needs_barrier(w->recon)) {
            send_barrier(w);
        }
        sim_work(w->sw, &w->dice, INT_MAX);
        handle_replies(w, INT_MAX);
        judge(w, roll(&w->dice, SIM_PREFIXES));
        w->now += 100000;
        idle = n || w->auditing || recon_in_flight(w->recon) ? 0 : idle + 1;
        MUST(n_ops < 100000);
    }
    return n_ops;
}

static void check_counts(const struct world *w)
{
    size_t desired[RECON_FIB + 1] = {0};

    for (int i = 0; i < SIM_PREFIXES; i++) {
        desired[RECON_FIB] += w->want.fib[i] != 0;
    }
    for (int i = 0; i <= SIM_GROUPS; i++) {
        desired[RECON_GROUP] += w->want.groups[i] != 0;
    }
    for (int id = 1; id <= SIM_GROUPS; id++) {
        for (int n = 1; n <= SIM_SHARES; n++) {
            desired[RECON_GROUP] += w->sw->shares[id][n];
            MUST(!w->sw->shares[id][n] || w->want.groups[id]);
        }
    }
    for (int i = 0; i < SIM_AUX; i++) {
        desired[RECON_AUX] += w->want.aux[i] != 0;
    }
    for (int what = RECON_AUX; what <= RECON_FIB; what++) {
        struct recon_counts c;
        recon_counts(w->recon, what, &c);
        MUST(c.desired == desired[what]);
        MUST(c.installed == desired[what]);
        MUST(c.pending == 0);
        MUST(c.failed == 0);
    }
    MUST(recon_in_sync(w->recon));
    MUST(recon_next_retry(w->recon) == INT64_MAX);
}

/* No group, and no share of one, has more users than the limit. */
static void check_shares(const struct world *w)
{
    uint32_t users[SIM_GROUPS + 1][SIM_SHARES + 1] = {{0}};

    for (int i = 0; i < SIM_PREFIXES && w->share_limit; i++) {
        uint32_t id = w->sw->state.fib[i];
        if (id <= SIM_GROUPS) {
            MUST(!id || ++users[id][w->sw->via[i]] <= w->share_limit || !w->sw->strict);
        }
    }
}

/* Each entry looks at the MTU of its group. */
static void check_mtus(const struct world *w)
{
    for (int i = 0; i < SIM_PREFIXES; i++) {
        uint32_t id = w->sw->state.fib[i];
        if (id && id <= SIM_GROUPS) {
            MUST(w->sw->mtus[i] == (w->mtus ? sim_mtu(w->sw->state.groups[id]) : 0));
        }
    }
}

static void check_converged(struct world *w)
{
    uint32_t refuse = w->sw->refuse;

    w->sw->refuse = 0;
    if (w->syncing || !w->complete) {
        begin(w);
        name_everything(w);
        end(w);
    }
    start_audit(w); /* What was in flight during an audit needs another one. */
    settle(w);
    start_audit(w);
    settle(w);
    MUST(!memcmp(&w->want, &w->sw->state, sizeof w->want));
    check_shares(w);
    check_mtus(w);
    check_counts(w);

    start_audit(w);
    MUST(settle(w) == 0);
    reconnect(w);
    MUST(settle(w) == 0);
    begin(w);
    name_everything(w);
    end(w);
    MUST(settle(w) == 0);
    check_counts(w);
    w->sw->refuse = refuse;
}

static void step(struct world *w)
{
    struct dice *d = &w->dice;

    switch (roll(d, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        wish(w);
        break;
    case 4:
    case 5:
    case 6:
        take_ops(w, (int)roll(d, 8));
        break;
    case 7:
        send_barrier(w);
        break;
    case 8:
    case 9:
        sim_work(w->sw, d, (int)roll(d, 20));
        break;
    case 10:
        handle_replies(w, (int)roll(d, 20));
        break;
    default:
        w->now += roll(d, 2000);
    }
    judge(w, roll(d, 4));
    if (roll(d, 150) == 0) {
        start_audit(w);
    }
    if (roll(d, 300) == 0) {
        reconnect(w);
    }
    if (roll(d, 100) == 0) {
        w->syncing &&roll(d, 4) ? end(w) : begin(w);
    }
}

static void run(uint64_t seed, bool strict)
{
    struct world w = {.dice = {.state = seed << 32},
                      .recon = recon_create(1000, 30000),
                      .sw = xcalloc(1, sizeof *w.sw)};

    w.share_limit = (uint32_t)(seed % 4); /* 0: none. */
    recon_set_share_limit(w.recon, w.share_limit);
    w.portions = seed % 3 != 0;
    w.mtus = seed % 8 != 0;
    recon_set_mtus(w.recon, w.mtus);
    w.sw->strict = strict;
    w.sw->refuse = strict ? 0 : 4;
    if (!strict) { /* Left over from an earlier run. */
        w.sw->state.groups[3] = 2;
        w.sw->state.fib[0] = 3;
        w.sw->shares[3][2] = true;
        w.sw->state.fib[2] = 3;
        w.sw->via[2] = 2;
        w.sw->state.aux[1] = 1;
    }
    start_audit(&w);
    for (int i = 0; i < 3000; i++) {
        step(&w);
        if (!strict && roll(&w.dice, 100) == 0) {
            tamper(&w);
        }
        if (roll(&w.dice, 1000) == 0) {
            w.mtus = !w.mtus;
            recon_set_mtus(w.recon, w.mtus);
        }
        if (roll(&w.dice, 400) == 0) {
            check_converged(&w);
        }
    }
    check_converged(&w);
    recon_destroy(w.recon);
    free(w.sw);
}

START_TEST(switch_converges_and_no_order_is_ever_violated)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        run(seed, true);
    }
}
END_TEST

START_TEST(switch_converges_through_errors_and_foreign_changes)
{
    for (uint64_t seed = 1001; seed <= 1200; seed++) {
        run(seed, false);
    }
}
END_TEST

UNIT_MAIN("core/recon_random", switch_converges_and_no_order_is_ever_violated,
          switch_converges_through_errors_and_foreign_changes)
