#include "paced.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns.h"
#include "of/msg.h"
#include "prefixset.h"
#include "steps.h"

enum {
    FIRST_US = 20000,     /* Before the first one is due. */
    ANSWER_US = 20000000, /* After the last one was. */
    FIRST_ADDR = 0xcb000000,
};

/* Of one step. */
struct paced {
    uint32_t n, n_done;
    int64_t *reply_at; /* 0: not yet; by number of the prefix. */
    bool *sent;
    struct {
        uint32_t number, barrier; /* xid; 0: none was seen yet. */
    } * order;                    /* As their flow-mods were. */
    uint32_t n_order, n_fenced, n_answered;
};

static struct ip_prefix nth_prefix(uint32_t i)
{
    return (struct ip_prefix){.addr = ip_from_v4(FIRST_ADDR + (i << 8)), .plen = 24};
}

static void see_flow_mod(struct paced *p, struct cursor raw)
{
    static const uint8_t oxm[] = {0x80, 0x00, 0x19, 0x08, FIRST_ADDR >> 24};
    static struct of_msg msg;
    const uint64_t addr = FIRST_ADDR;

    if (!memmem(raw.p, raw.n, oxm, sizeof oxm) || of_msg_decode(raw, &msg) != OF_OK ||
        !of_match_has(&msg.flow_mod.match, OF_F_IPV4_DST)) {
        return;
    }
    uint64_t i = (msg.flow_mod.match.ipv4_dst - addr) >> 8;
    if (i < p->n && !p->sent[i]) {
        p->sent[i] = true;
        p->order[p->n_order].number = (uint32_t)i;
        p->order[p->n_order++].barrier = 0;
    }
}

static void see_barrier(struct paced *p, uint32_t xid)
{
    while (p->n_fenced < p->n_order) {
        p->order[p->n_fenced++].barrier = xid;
    }
}

static void see_reply(struct paced *p, uint32_t xid, int64_t at)
{
    uint32_t end = p->n_fenced;

    while (end > p->n_answered && p->order[end - 1].barrier != xid) {
        end--;
    }
    for (; p->n_answered < end; p->n_answered++) {
        p->reply_at[p->order[p->n_answered].number] = at;
        p->n_done++;
    }
}

static bool see(void *p_, const struct tap_event *ev)
{
    struct paced *p = p_;
    struct cursor c = ev->raw;
    struct of_header h = {0};

    of_header_pull(&c, &h);
    if (!ev->from_switch && ev->type == OFPT_FLOW_MOD) {
        see_flow_mod(p, ev->raw);
    } else if (!ev->from_switch && ev->type == OFPT_BARRIER_REQUEST) {
        see_barrier(p, h.xid);
    } else if (ev->from_switch && ev->type == OFPT_BARRIER_REPLY) {
        see_reply(p, h.xid, ev->at);
    }
    return p->n_done == p->n;
}

/* One step for all prefixes; how long each took in *ret_us, and how late it was written
 * in *ret_late_us. */
static void run_step(struct tap *tap, struct routes *routes, size_t step, uint32_t n,
                     uint32_t gap_us, int64_t *ret_us, int64_t *ret_late_us)
{
    struct paced p = {.n = n,
                      .reply_at = xcalloc(n, sizeof *p.reply_at),
                      .sent = xcalloc(n, sizeof *p.sent),
                      .order = xcalloc(n, sizeof *p.order)};
    const uint32_t hop = steps[step].hop;
    const uint32_t ifindex = if_nametoindex(hop % 2 ? "eth2" : "eth1");
    const int64_t begun = bench_now_us() + FIRST_US;

    for (uint32_t i = 0; i < n; i++) {
        const int64_t due = begun + (int64_t)i * gap_us;
        const struct ip_prefix prefix = nth_prefix(i);
        while (bench_now_us() < due) {
            tap_run(tap, due, see, &p);
        }
        ret_late_us[i] = bench_now_us() - due;
        routes_put(routes, steps[step].op, &prefix, prefixset_gateway(hop), ifindex);
        routes_flush(routes);
    }
    if (!tap_run(tap, bench_now_us() + ANSWER_US, see, &p)) {
        bench_fail("%s: %u of %u routes did not reach the switch within %d s",
                   steps[step].name, n - p.n_done, n, ANSWER_US / 1000000);
    }
    for (uint32_t i = 0; i < n; i++) {
        ret_us[i] = p.reply_at[i] - (begun + (int64_t)i * gap_us + ret_late_us[i]);
    }
    free(p.reply_at);
    free(p.sent);
    free(p.order);
}

void paced_run(struct tap *tap, uint8_t protocol, uint32_t rounds, uint32_t gap_us)
{
    if (!rounds || rounds > PACED_MAX) {
        bench_fail("expected 1 to %d rounds", PACED_MAX);
    }
    struct routes *routes = routes_open();
    int64_t *us = xcalloc(rounds, sizeof *us);
    int64_t *late_us = xcalloc((size_t)rounds * N_STEPS, sizeof *late_us);

    routes_set_protocol(routes, protocol);
    printf("{");
    for (size_t step = 0; step < N_STEPS; step++) {
        run_step(tap, routes, step, rounds, gap_us, us, late_us + step * rounds);
        steps_print(steps[step].name, us, rounds);
        printf(", ");
    }
    steps_print("late", late_us, rounds * N_STEPS);
    printf("}\n");
    free(us);
    free(late_us);
    routes_close(routes);
}
