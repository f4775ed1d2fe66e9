#include "watch.h"

#include "netns.h"

enum {
    POLL_US = 20000,     /* Between looks at the table. */
    QUIET_US = 150000,   /* No barrier reply for so long: it was the last. */
    STALL_US = 60000000, /* Nothing moves: give up. */
    ANSWER_US = 5000000, /* For one route. */
};

static bool count_messages(void *seen_, const struct tap_event *ev)
{
    struct seen *seen = seen_;

    if (ev->from_switch && ev->type == OFPT_BARRIER_REPLY) {
        seen->last_reply = ev->at;
        seen->replies++;
    }
    seen->flow_mods += !ev->from_switch && ev->type == OFPT_FLOW_MOD;
    seen->group_mods += !ev->from_switch && ev->type == OFPT_GROUP_MOD;
    return false;
}

void watch_some(struct tap *tap, struct seen *seen)
{
    tap_run(tap, 0, count_messages, seen);
}

void watch_quiet(struct tap *tap, struct seen *seen, int64_t since)
{
    int64_t last = MAX(since, seen->last_reply);

    while (bench_now_us() < last + QUIET_US) {
        tap_run(tap, last + QUIET_US, count_messages, seen);
        last = MAX(since, seen->last_reply);
    }
}

void watch_count(struct tap *tap, struct ofconn *bridge, struct seen *seen,
                 uint32_t wanted)
{
    uint32_t count, before = UINT32_MAX;
    int64_t moved_at = bench_now_us();

    while ((count = ofconn_table_count(bridge, BENCH_FIB_TABLE)) != wanted) {
        int64_t now = bench_now_us();
        moved_at = count != before ? now : moved_at;
        before = count;
        if (now - moved_at > STALL_US) {
            bench_fail("the table stays at %u entries, %u expected", count, wanted);
        }
        tap_run(tap, now + POLL_US, count_messages, seen);
    }
    watch_quiet(tap, seen, bench_now_us());
}

void watch_until(struct ofconn *bridge, uint32_t least, uint32_t most)
{
    const int64_t deadline = bench_now_us() + STALL_US;
    uint32_t count;

    while ((count = ofconn_table_count(bridge, BENCH_FIB_TABLE)) < least ||
           count > most) {
        if (bench_now_us() > deadline) {
            bench_fail("the table has %u entries, %u to %u expected", count, least,
                       most);
        }
        bench_sleep_us(POLL_US);
    }
}

/* One route. */

struct awaited {
    uint32_t addr;
    bool sent;
    uint32_t barrier; /* The request after its flow-mod. */
    int64_t reply_at;
};

static bool is_about(const struct tap_event *ev, uint32_t addr)
{
    static struct of_msg msg;

    return of_msg_decode(ev->raw, &msg) == OF_OK &&
           of_match_has(&msg.flow_mod.match, OF_F_IPV4_DST) &&
           msg.flow_mod.match.ipv4_dst == addr;
}

static uint32_t xid_of(const struct tap_event *ev)
{
    struct cursor c = ev->raw;
    struct of_header h = {0};

    of_header_pull(&c, &h);
    return h.xid;
}

static bool await(void *a_, const struct tap_event *ev)
{
    struct awaited *a = a_;

    if (!ev->from_switch && ev->type == OFPT_FLOW_MOD && !a->sent) {
        a->sent = is_about(ev, a->addr);
    } else if (!ev->from_switch && ev->type == OFPT_BARRIER_REQUEST && a->sent &&
               !a->barrier) {
        a->barrier = xid_of(ev);
    } else if (ev->from_switch && ev->type == OFPT_BARRIER_REPLY && a->barrier &&
               xid_of(ev) == a->barrier) {
        a->reply_at = ev->at;
        return true;
    }
    return false;
}

int64_t watch_single(void *tap, uint32_t addr)
{
    struct awaited a = {.addr = addr};

    if (!tap_run(tap, bench_now_us() + ANSWER_US, await, &a)) {
        bench_fail("one route did not reach the switch within %d s",
                   ANSWER_US / 1000000);
    }
    return a.reply_at;
}
