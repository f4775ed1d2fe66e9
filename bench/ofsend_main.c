/* The reference: what the switch itself needs.
 *
 *     bench-ofsend send BRIDGE N HOPS   N flow-mods, one barrier after the last
 *     bench-ofsend delete BRIDGE        deletes all flow entries and groups
 *     bench-ofsend dump BRIDGE          reads all flow entries, decoding none
 *     bench-ofsend count BRIDGE TABLE   how many entries a table has
 *     bench-ofsend text N HOPS          the same entries, for ovs-ofctl add-flows
 *     bench-ofsend groups BRIDGE N HOPS makes the groups that "text" refers to
 *
 * BRIDGE is unix:PATH of a management socket.  The entries are those that rfproxy makes
 * of the same routes.  Prints one line: the microseconds of what was timed, or the
 * number asked for; "send" encodes before its clock starts. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns.h"
#include "ofconn.h"
#include "prefixset.h"

enum { FIB_TABLE = 1, FIB_PRIORITY = 0x100 };
#define FIB_COOKIE UINT64_C(0x52465f0100000005)
enum { PORTIONS = 1024, PORTION_SHIFT = 8 };
#define FIRST_GROUP 0x80000001u
enum { SHARE_USERS = 1024, SHARE_SHIFT = 20, MAX_HOPS = 128 }; /* As rfproxy does. */

/* Which group each prefix sends to: that of its next hop, or a share of it. */
struct chooser {
    uint32_t n_hops;
    uint32_t users[MAX_HOPS];
};

static uint32_t choose_group(struct chooser *c, uint32_t i)
{
    uint32_t hop = prefixset_hop(i, c->n_hops);

    return (FIRST_GROUP + hop) | (c->users[hop]++ / SHARE_USERS) << SHARE_SHIFT;
}

static void delete_all(struct ofconn *c)
{
    struct buf *out = of_session_output(ofconn_session(c));
    struct of_flow_mod fm;

    of_flow_mod_init(&fm, OFPFC_DELETE, OFPTT_ALL, 0);
    of_put_flow_mod(out, of_session_xid(ofconn_session(c)), &fm);
    of_put_group_mod(out, of_session_xid(ofconn_session(c)), OFPGC_DELETE,
                     OFPGT_INDIRECT, OFPG_ALL, NULL, 0);
    ofconn_barrier(c);
}

static void put_group(struct ofconn *c, uint32_t id, const struct of_bucket *bucket)
{
    of_put_group_mod(of_session_output(ofconn_session(c)),
                     of_session_xid(ofconn_session(c)), OFPGC_ADD, OFPGT_INDIRECT, id,
                     bucket, 1);
}

/* The groups of next hops, and as many shares of them as n prefixes need. */
static void add_groups(struct ofconn *c, uint32_t n, uint32_t n_hops)
{
    struct chooser chooser = {.n_hops = n_hops};

    for (uint32_t i = 0; i < n_hops; i++) {
        struct of_bucket bucket;
        of_bucket_init(&bucket);
        of_actions_set_eth_src(&bucket.actions, eth_from_u64(0x020000000001 + i % 2));
        of_actions_set_eth_dst(&bucket.actions, eth_from_u64(0x020000000100 + i));
        of_actions_dec_nw_ttl(&bucket.actions);
        of_actions_output(&bucket.actions, 1 + i % 2);
        put_group(c, FIRST_GROUP + i, &bucket);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t hop = prefixset_hop(i, n_hops);
        bool first = chooser.users[hop] && chooser.users[hop] % SHARE_USERS == 0;
        uint32_t group = choose_group(&chooser, i);
        if (first) {
            struct of_bucket bucket;
            of_bucket_init(&bucket);
            of_actions_group(&bucket.actions, FIRST_GROUP + hop);
            put_group(c, group, &bucket);
        }
    }
    ofconn_barrier(c);
}

/* Of the prefix's portion: Open vSwitch has an index of cookies, which costs more with
 * many of them than with one. */
static uint64_t cookie_of(const struct ip_prefix *prefix)
{
    return FIB_COOKIE | (prefix_hash(prefix) % PORTIONS) << PORTION_SHIFT;
}

static void put_flow(struct buf *out, uint32_t xid, const struct ip_prefix *prefix,
                     uint32_t group)
{
    struct of_flow_mod fm;

    of_flow_mod_init(&fm, OFPFC_ADD, FIB_TABLE, FIB_PRIORITY + prefix->plen);
    fm.cookie = cookie_of(prefix);
    of_match_set_eth_type(&fm.match, 0x0800);
    of_match_set_ip_dst(&fm.match, prefix);
    of_actions_group(of_instructions_apply(&fm.inst), group);
    of_put_flow_mod(out, xid, &fm);
}

static void send_flows(const char *bridge, uint32_t n, uint32_t n_hops)
{
    struct ofconn *c = ofconn_open(bridge);
    struct buf *out = of_session_output(ofconn_session(c));
    struct chooser chooser = {.n_hops = n_hops};
    struct prefixset set;

    add_groups(c, n, n_hops);
    prefixset_init(&set, n);
    for (uint32_t i = 0; i < n; i++) {
        struct ip_prefix prefix = prefixset_get(&set, i);
        put_flow(out, of_session_xid(ofconn_session(c)), &prefix,
                 choose_group(&chooser, i));
    }
    int64_t begun = bench_now_us();
    ofconn_barrier(c);
    printf("%" PRId64 "\n", bench_now_us() - begun);
    prefixset_uninit(&set);
    ofconn_close(c);
}

static void count_octets(void *sum, struct cursor flows)
{
    *(size_t *)sum += flows.n;
}

static void dump(const char *bridge)
{
    struct ofconn *c = ofconn_open(bridge);
    size_t octets = 0;
    int64_t begun = bench_now_us();

    ofconn_dump(c, OFPTT_ALL, count_octets, &octets);
    printf("%" PRId64 " %zu\n", bench_now_us() - begun, octets);
    ofconn_close(c);
}

static void print_text(uint32_t n, uint32_t n_hops)
{
    struct chooser chooser = {.n_hops = n_hops};
    struct prefixset set;
    char text[IP_PREFIX_STRLEN];

    prefixset_init(&set, n);
    for (uint32_t i = 0; i < n; i++) {
        struct ip_prefix prefix = prefixset_get(&set, i);
        printf("table=%d,cookie=0x%" PRIx64 ",priority=%u,ip,nw_dst=%s,"
               "actions=group:%u\n",
               FIB_TABLE, cookie_of(&prefix), FIB_PRIORITY + prefix.plen,
               prefix_format(&prefix, text), choose_group(&chooser, i));
    }
    prefixset_uninit(&set);
}

static uint32_t number(const char *text, uint32_t max)
{
    uint64_t v;

    if (!parse_u64(text, 10, max, &v)) {
        bench_fail("%s: expected a number up to %u", text, max);
    }
    return (uint32_t)v;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (!strcmp(what, "send") && argc == 5) {
        send_flows(argv[2], number(argv[3], PREFIXSET_MAX), number(argv[4], MAX_HOPS));
    } else if (!strcmp(what, "text") && argc == 4) {
        print_text(number(argv[2], PREFIXSET_MAX), number(argv[3], MAX_HOPS));
    } else if (!strcmp(what, "dump") && argc == 3) {
        dump(argv[2]);
    } else if (!strcmp(what, "delete") && argc == 3) {
        struct ofconn *c = ofconn_open(argv[2]);
        int64_t begun = bench_now_us();
        delete_all(c);
        printf("%" PRId64 "\n", bench_now_us() - begun);
        ofconn_close(c);
    } else if (!strcmp(what, "groups") && argc == 5) {
        struct ofconn *c = ofconn_open(argv[2]);
        add_groups(c, number(argv[3], PREFIXSET_MAX), number(argv[4], MAX_HOPS));
        printf("%s\n", argv[4]);
        ofconn_close(c);
    } else if (!strcmp(what, "count") && argc == 4) {
        struct ofconn *c = ofconn_open(argv[2]);
        printf("%u\n", ofconn_table_count(c, (uint8_t)number(argv[3], 255)));
        ofconn_close(c);
    } else {
        bench_fail("see the top of bench/ofsend_main.c for what to say");
    }
    return 0;
}
