/* Routes into the kernel of the VM, and how long until the switch has them.
 *
 *     bench-route LAB-NETNS VM-NETNS BRIDGE COMMAND...
 *
 *     setup HOPS                   permanent neighbours 0..HOPS-1
 *     bulk OP FIRST END HOPS       prefixes FIRST..END-1; OP add, delete
 *     flood OP N HOPS              the same of 0..N-1, whoever else changes some
 *     change FIRST END HOPS SHIFT  the same prefixes to next hop + SHIFT
 *     single ROUNDS GAP-US         one route, added, changed, deleted, again and again
 *     paced ROUNDS GAP-US          one OSPF route every GAP-US added, then changed,
 *                                  deleted, not waiting for those before (paced.h)
 *     churn N OPS HOPS             OPS updates of prefixes 0..N-1, as BGP's
 *     neigh HOP SALT               another MAC address of a neighbour
 *     connect ENTRIES DB-SOCK NAME gives the bridge its controller; until it has these
 *
 * LAB-NETNS and VM-NETNS are files, BRIDGE is unix:PATH of the management socket.  What
 * rfproxy and the switch say to each other is overheard (tap.h); a barrier reply is the
 * end of what was timed.  Prints one JSON object; times in microseconds. */

#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns.h"
#include "paced.h"
#include "prefixset.h"
#include "routes.h"
#include "single.h"
#include "watch.h"

enum { NEIGH_US = 150000 }; /* A change that changes nothing has no barrier. */

struct bench {
    struct tap *tap;
    struct routes *routes;
    struct ofconn *bridge;
    uint32_t ifindex[2];
};

static void put_routes(struct bench *b, enum routes_op op, uint32_t first, uint32_t end,
                       uint32_t n_hops, uint32_t shift)
{
    struct prefixset set;

    prefixset_init(&set, end);
    for (uint32_t i = first; i < end; i++) {
        struct ip_prefix prefix = prefixset_get(&set, i);
        uint32_t hop = prefixset_hop(i, n_hops) + shift;
        routes_put(b->routes, op, &prefix, prefixset_gateway(hop), b->ifindex[hop % 2]);
    }
    routes_flush(b->routes);
    prefixset_uninit(&set);
}

static void bulk(struct bench *b, bool add, uint32_t first, uint32_t end,
                 uint32_t n_hops)
{
    uint32_t before = ofconn_table_count(b->bridge, BENCH_FIB_TABLE);
    struct seen seen = {0};
    int64_t begun = bench_now_us();

    put_routes(b, add ? ROUTES_ADD : ROUTES_DELETE, first, end, n_hops, 0);
    int64_t in_kernel = bench_now_us();
    watch_count(b->tap, b->bridge, &seen,
                add ? before + (end - first) : before - (end - first));
    printf("{\"kernel\": %" PRId64 ", \"total\": %" PRId64 ", \"entries\": %u}\n",
           in_kernel - begun, seen.last_reply - begun,
           ofconn_table_count(b->bridge, BENCH_FIB_TABLE));
}

static void flood(struct bench *b, bool add, uint32_t n, uint32_t n_hops)
{
    put_routes(b, add ? ROUTES_ADD : ROUTES_DELETE, 0, n, n_hops, 0);
    watch_until(b->bridge, add ? n : 0, add ? UINT32_MAX : n / 4);
    printf("{}\n");
}

static void change(struct bench *b, uint32_t first, uint32_t end, uint32_t n_hops,
                   uint32_t shift)
{
    struct seen seen = {0};
    int64_t begun = bench_now_us();

    put_routes(b, ROUTES_REPLACE, first, end, n_hops, shift);
    int64_t in_kernel = bench_now_us();
    watch_quiet(b->tap, &seen, in_kernel);
    printf("{\"kernel\": %" PRId64 ", \"total\": %" PRId64 ", \"flow_mods\": %u, "
           "\"group_mods\": %u}\n",
           in_kernel - begun, seen.last_reply - begun, seen.flow_mods, seen.group_mods);
}

/* Of a hundred updates.  Most of what BGP says is what is known already. */
enum { CHURN_AGAIN = 70, CHURN_OTHER_HOP = 24 }; /* The rest come or go. */
enum { ABSENT = 255, LISTEN_EACH = 2000, CHURN_TAIL_US = 2000000 };

static void churn(struct bench *b, uint32_t n, uint32_t n_ops, uint32_t n_hops)
{
    struct prefixset set;
    struct seen seen = {0};
    uint8_t *hops = xcalloc(n, 1);
    uint64_t dice = 7;
    unsigned changes = 0;

    prefixset_init(&set, n);
    for (uint32_t i = 0; i < n; i++) {
        hops[i] = (uint8_t)prefixset_hop(i, n_hops);
    }
    int64_t begun = bench_now_us();
    for (uint32_t k = 0; k < n_ops; k++) {
        dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t i = (uint32_t)(dice >> 33) % n, roll = (uint32_t)(dice >> 20) % 100;
        struct ip_prefix prefix = prefixset_get(&set, i);
        uint8_t hop = hops[i] == ABSENT    ? (uint8_t)(k % n_hops)
                      : roll < CHURN_AGAIN ? hops[i]
                      : roll < CHURN_AGAIN + CHURN_OTHER_HOP
                          ? (uint8_t)((hops[i] + 1u) % n_hops)
                          : ABSENT;
        changes += hop != hops[i];
        hops[i] = hop;
        routes_put(b->routes, hop == ABSENT ? ROUTES_DELETE : ROUTES_REPLACE, &prefix,
                   prefixset_gateway(hop % n_hops), b->ifindex[hop % 2]);
        if (k % LISTEN_EACH == 0) {
            watch_some(b->tap, &seen);
        }
    }
    routes_flush(b->routes);
    int64_t in_kernel = bench_now_us();
    /* Somebody else changes a route all the time: it does not get quiet. */
    while (bench_now_us() < in_kernel + CHURN_TAIL_US) {
        watch_some(b->tap, &seen);
        bench_sleep_us(10000);
    }
    printf("{\"kernel\": %" PRId64 ", \"changes\": %u, \"flow_mods\": %u}\n",
           in_kernel - begun, changes, seen.flow_mods);
    free(hops);
    prefixset_uninit(&set);
}

/* Next hops. */

static struct eth_addr neigh_mac(uint32_t hop, uint32_t salt)
{
    return eth_from_u64(UINT64_C(0x020000000000) | (uint64_t)salt << 16 | (hop + 1));
}

static void setup(struct bench *b, uint32_t n_hops)
{
    for (uint32_t i = 0; i < n_hops; i++) {
        routes_put_neigh(b->routes, prefixset_gateway(i), neigh_mac(i, 0),
                         b->ifindex[i % 2]);
    }
    routes_flush(b->routes);
    printf("{}\n");
}

static void neigh(struct bench *b, uint32_t hop, uint32_t salt)
{
    struct seen seen = {0};
    int64_t begun = bench_now_us();

    routes_put_neigh(b->routes, prefixset_gateway(hop), neigh_mac(hop, salt),
                     b->ifindex[hop % 2]);
    routes_flush(b->routes);
    watch_quiet(b->tap, &seen, bench_now_us() + NEIGH_US);
    printf("{\"total\": %" PRId64 ", \"flow_mods\": %u, \"group_mods\": %u}\n",
           seen.last_reply - begun, seen.flow_mods, seen.group_mods);
}

/* A switch connects. */

static void connect_switch(struct bench *b, uint32_t entries, const char *db,
                           const char *bridge)
{
    struct seen seen = {0};
    char *command = xasprintf("ovs-vsctl --db=unix:%s --no-wait set-controller %s "
                              "tcp:127.0.0.1:%d -- set controller %s max_backoff=1000 "
                              "connection_mode=out-of-band",
                              db, bridge, BENCH_OPENFLOW_PORT, bridge);

    if (system(command)) {
        bench_fail("failed: %s", command);
    }
    free(command);
    watch_count(b->tap, b->bridge, &seen, entries);
    printf("{\"total\": %" PRId64 "}\n", seen.last_reply - tap_connected_at(b->tap));
}

/* Command line. */

static uint32_t number(char **argv, int i)
{
    uint64_t v;

    if (!argv[i] || !parse_u64(argv[i], 10, 1000000000, &v)) {
        bench_fail("%s: expected a number", argv[i] ? argv[i] : "end of line");
    }
    return (uint32_t)v;
}

int main(int argc, char **argv)
{
    struct bench b;
    char **words = argv + 4;

    if (argc < 5) {
        bench_fail("see the top of bench/route_main.c for what to say");
    }
    bool bulky = !strcmp(words[0], "bulk") || !strcmp(words[0], "flood") ||
                 !strcmp(words[0], "connect");
    netns_enter(argv[1]);
    b.tap = tap_open(BENCH_OPENFLOW_PORT, !bulky);
    netns_enter(argv[2]);
    b.routes = routes_open();
    b.ifindex[0] = if_nametoindex("eth1");
    b.ifindex[1] = if_nametoindex("eth2");
    b.bridge = ofconn_open(argv[3]);
    if (!strcmp(words[0], "connect") && argc == 8) {
        connect_switch(&b, number(words, 1), words[2], words[3]);
    } else if (!strcmp(words[0], "flood") && words[1]) {
        flood(&b, !strcmp(words[1], "add"), number(words, 2), number(words, 3));
    } else if (bulky && words[1]) {
        bulk(&b, !strcmp(words[1], "add"), number(words, 2), number(words, 3),
             number(words, 4));
    } else if (!strcmp(words[0], "change")) {
        change(&b, number(words, 1), number(words, 2), number(words, 3),
               number(words, 4));
    } else if (!strcmp(words[0], "churn")) {
        churn(&b, number(words, 1), number(words, 2), number(words, 3));
    } else if (!strcmp(words[0], "single")) {
        single_run(NULL, number(words, 1), number(words, 2), watch_single, b.tap);
    } else if (!strcmp(words[0], "paced")) {
        paced_run(b.tap, RTPROT_OSPF, number(words, 1), number(words, 2));
    } else if (!strcmp(words[0], "setup")) {
        setup(&b, number(words, 1));
    } else if (!strcmp(words[0], "neigh")) {
        neigh(&b, number(words, 1), number(words, 2));
    } else {
        bench_fail("%s: no such command", words[0]);
    }
    ofconn_close(b.bridge);
    routes_close(b.routes);
    tap_close(b.tap);
    return 0;
}
