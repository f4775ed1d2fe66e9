/* Routes given to zebra, and how long until it has installed them, and the switch too.
 *
 *     bench-zebra alone VM-NETNS SOCKET N HOPS
 *     bench-zebra bulk VM-NETNS SOCKET N HOPS LAB-NETNS BRIDGE
 *     bench-zebra single VM-NETNS SOCKET ROUNDS GAP-US LAB-NETNS BRIDGE
 *
 * SOCKET is zebra's zserv.api.  "alone": nobody looks but zebra.  "bulk" prints a line
 * when the switch has it all, then waits for a line on its standard input, closes, and
 * prints another line when zebra's withdrawal has reached the switch.  One JSON object
 * a line; times in microseconds. */

#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns.h"
#include "prefixset.h"
#include "single.h"
#include "watch.h"
#include "zapi.h"

static uint32_t number(const char *text)
{
    uint64_t v;

    if (!parse_u64(text, 10, 1000000000, &v)) {
        bench_fail("%s: expected a number", text);
    }
    return (uint32_t)v;
}

static uint32_t ifindex_of(uint32_t hop)
{
    return if_nametoindex(hop % 2 ? "eth2" : "eth1");
}

/* Encoded before any clock starts. */
static void queue_routes(struct zapi *zebra, uint32_t n, uint32_t n_hops)
{
    const uint32_t ifindex[2] = {ifindex_of(0), ifindex_of(1)};
    struct prefixset set;

    prefixset_init(&set, n);
    for (uint32_t i = 0; i < n; i++) {
        struct ip_prefix prefix = prefixset_get(&set, i);
        uint32_t hop = prefixset_hop(i, n_hops);
        zapi_add(zebra, &prefix, prefixset_gateway(hop), ifindex[hop % 2]);
    }
    prefixset_uninit(&set);
}

static void alone(const char *socket, uint32_t n, uint32_t n_hops)
{
    struct zapi *zebra = zapi_open(socket, true);

    queue_routes(zebra, n, n_hops);
    int64_t begun = bench_now_us();
    printf("{\"zebra\": %" PRId64 "}\n", zapi_run(zebra, n) - begun);
    zapi_close(zebra);
}

static void bulk(const char *socket, uint32_t n, uint32_t n_hops, struct tap *tap,
                 const char *bridge)
{
    struct zapi *zebra = zapi_open(socket, true);
    struct ofconn *c = ofconn_open(bridge);
    uint32_t before = ofconn_table_count(c, BENCH_FIB_TABLE);
    struct seen seen = {0};

    queue_routes(zebra, n, n_hops);
    int64_t begun = bench_now_us();
    int64_t installed = zapi_run(zebra, n);
    watch_count(tap, c, &seen, before + n);
    printf("{\"zebra\": %" PRId64 ", \"total\": %" PRId64 "}\n", installed - begun,
           seen.last_reply - begun);
    fflush(stdout);

    while (getchar() != '\n' && !feof(stdin)) {
    }
    seen = (struct seen){0};
    begun = bench_now_us();
    zapi_close(zebra);
    watch_count(tap, c, &seen, before);
    printf("{\"total\": %" PRId64 "}\n", seen.last_reply - begun);
    ofconn_close(c);
}

int main(int argc, char **argv)
{
    struct tap *tap = NULL;

    if (argc < 6 || (argc < 8 && strcmp(argv[1], "alone"))) {
        bench_fail("see the top of bench/zebra_main.c for what to say");
    }
    if (argc == 8) {
        netns_enter(argv[6]);
        tap = tap_open(BENCH_OPENFLOW_PORT, !strcmp(argv[1], "single"));
    }
    netns_enter(argv[2]);
    if (!tap) {
        alone(argv[3], number(argv[4]), number(argv[5]));
        return 0;
    }
    if (!strcmp(argv[1], "bulk")) {
        bulk(argv[3], number(argv[4]), number(argv[5]), tap, argv[7]);
    } else {
        single_run(argv[3], number(argv[4]), number(argv[5]), watch_single, tap);
    }
    tap_close(tap);
    return 0;
}
