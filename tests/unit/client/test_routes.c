/* A model of the kernel's FIB changes at random; events reach the table, some of them
 * are lost and followed by a dump.  What was told must always become what is, whatever
 * is urgent, and in whatever order it is asked for. */

#include "unit.h"

#include <string.h>

#include "routes.h"

enum { PREFIXES = 300, METRICS = 3, PORTS = 4 };

/* The kernel: for each prefix and metric a gateway number, 0 for none. */
static uint8_t fib[PREFIXES][METRICS];
/* rfserver: for each prefix what it was told, 0 for nothing. */
static uint32_t server[PREFIXES];
static bool port_is_up[PORTS], port_has_carrier[PORTS];
static int64_t now = 1000;

static uint64_t random_state = 88172645463325252u;

static uint32_t pick(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % n;
}

static struct ip_prefix prefix_of(uint32_t i)
{
    struct ip_prefix p = {.plen = 24};
    uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, (uint8_t)(i >> 8), (uint8_t)i};

    if (i % 3) {
        p.addr = ip_from_v4(0x0a000000 | i << 8);
    } else {
        p.addr = ip_from_bytes(IP_V6, v6);
        p.plen = 48;
    }
    return p;
}

static uint32_t index_of(const struct ip_prefix *p)
{
    return p->addr.version == IP_V4
               ? ip_to_v4(p->addr) >> 8 & 0xffff
               : (uint32_t)p->addr.bytes[4] << 8 | p->addr.bytes[5];
}

/* Gateway g is 10.255.0.g on interface g % PORTS + 10. */
static uint32_t ifindex_of(uint32_t g)
{
    return g % PORTS + 10;
}

static struct rtnl_msg message(uint32_t i, uint32_t metric, uint32_t g)
{
    struct rtnl_msg m = {.kind = i % 3 ? RTNL_ROUTE4 : RTNL_ROUTE6};

    m.route = (struct rtnl_route){.prefix = prefix_of(i),
                                  .kind = VM_ROUTE_UNICAST,
                                  .metric = metric,
                                  .protocol = (uint8_t)(g % 5),
                                  .n_hops = 1};
    m.route.hops[0] = (struct rtnl_hop){
        .ifindex = ifindex_of(g), .weight = 1, .gateway = ip_from_v4(0x0aff0000 | g)};
    return m;
}

static void change_kernel(struct route_table *t, bool lost)
{
    uint32_t i = pick(PREFIXES), metric = pick(METRICS);
    uint32_t old = fib[i][metric], g = pick(3) ? 1 + pick(200) : 0;

    fib[i][metric] = (uint8_t)g;
    if (lost || (!old && !g)) {
        return;
    }
    struct rtnl_msg m = message(i, metric, g ? g : old);
    m.del = !g;
    m.replace = g && old;
    now += !pick(4);
    route_table_event(t, &m, now);
}

static void dump(struct route_table *t, enum ip_version version)
{
    route_table_dump_begin(t, version);
    for (uint32_t i = 0; i < PREFIXES; i++) {
        for (uint32_t metric = 0; metric < METRICS; metric++) {
            struct rtnl_msg m = message(i, metric, fib[i][metric]);
            if (fib[i][metric] && m.route.prefix.addr.version == version) {
                route_table_dump_route(t, &m.route, now);
            }
        }
    }
    route_table_dump_end(t, version, true, now);
}

static uint32_t port_of(void *aux, uint32_t ifindex, bool *ret_carrier)
{
    *ret_carrier = port_has_carrier[ifindex - 10];
    return port_is_up[ifindex - 10] ? ifindex - 9 : 0;
}

static uint32_t n_told;

static void tell(struct route_table *t, uint32_t n)
{
    struct vm_route r;
    bool remove;

    while (n--) {
        const bool urgent = pick(2);
        if (!route_table_pop(t, urgent, port_of, NULL, &r, &remove) &&
            !route_table_pop(t, !urgent, port_of, NULL, &r, &remove)) {
            break;
        }
        uint32_t i = index_of(&r.prefix);
        ck_assert_uint_lt(i, PREFIXES);
        ck_assert(!remove || server[i]);
        server[i] = remove ? 0 : ip_to_v4(r.hops[0].gateway) & 0xff;
        n_told++;
    }
}

static void check(void)
{
    for (uint32_t i = 0; i < PREFIXES; i++) {
        uint32_t best = 0, without_carrier = 0;
        for (uint32_t metric = 0; metric < METRICS && !best; metric++) {
            uint32_t g = fib[i][metric];
            bool carrier = false;
            if (g && port_of(NULL, ifindex_of(g), &carrier)) {
                best = carrier ? g : 0;
                without_carrier = without_carrier ? without_carrier : g;
            }
        }
        best = best ? best : without_carrier;
        ck_assert_msg(server[i] == best, "prefix %u: told %u, is %u", i, server[i],
                      best);
    }
}

START_TEST(what_is_told_becomes_what_the_kernel_has)
{
    struct route_table *t = route_table_create();
    size_t in_kernel = 0;

    memset(port_is_up, true, sizeof port_is_up);
    memset(port_has_carrier, true, sizeof port_has_carrier);
    for (int round = 0; round < 2000; round++) {
        bool lost = !pick(4);
        for (uint32_t n = pick(200); n; n--) {
            change_kernel(t, lost && !pick(3));
        }
        if (!pick(5)) {
            uint32_t port = pick(PORTS);
            port_is_up[port] = !port_is_up[port];
            route_table_interface_changed(t, port + 10);
        } else if (!pick(5)) {
            uint32_t port = pick(PORTS);
            port_has_carrier[port] = !port_has_carrier[port];
            route_table_carrier_changed(t, port + 10);
        }
        tell(t, pick(50)); /* A slow rfserver: what is left is told later. */
        if (lost) {
            dump(t, IP_V4);
            dump(t, IP_V6);
        }
        if (!pick(20)) {
            route_table_resync(t);
            memset(server, 0, sizeof server);
        }
        struct ip_prefix p = prefix_of(pick(PREFIXES));
        route_table_hurry(t, &p);
        if (!pick(3)) {
            tell(t, UINT32_MAX);
            ck_assert_uint_eq(route_table_pending(t), 0);
            ck_assert_uint_eq(route_table_resyncing(t), 0);
            check();
        }
    }
    ck_assert_uint_gt(n_told, 10000);
    for (uint32_t i = 0; i < PREFIXES * METRICS; i++) {
        in_kernel += fib[i / METRICS][i % METRICS] != 0;
    }
    dump(t, IP_V4);
    dump(t, IP_V6);
    ck_assert_uint_eq(route_table_count(t), in_kernel);
    route_table_destroy(t);
}
END_TEST

START_TEST(unchanged_dump_tells_nothing)
{
    struct route_table *t = route_table_create();

    memset(port_is_up, true, sizeof port_is_up);
    memset(port_has_carrier, true, sizeof port_has_carrier);
    for (int i = 0; i < 1000; i++) {
        change_kernel(t, false);
    }
    tell(t, UINT32_MAX);
    dump(t, IP_V4);
    dump(t, IP_V6);
    ck_assert_uint_eq(route_table_pending(t), 0);
    route_table_destroy(t);
}
END_TEST

START_TEST(next_hops_are_kept_once)
{
    struct route_table *t = route_table_create();

    for (uint32_t i = 0; i < 200000; i++) {
        struct rtnl_msg m = message(1, 0, i % 5);
        m.route.prefix.addr = ip_from_v4(0x14000000 + (i << 8));
        route_table_event(t, &m, 0);
    }
    ck_assert_uint_eq(route_table_count(t), 200000);
    ck_assert_uint_eq(hop_sets_max_id(route_table_hops(t)), 5);
    route_table_destroy(t);
}
END_TEST

UNIT_MAIN("client/routes", what_is_told_becomes_what_the_kernel_has,
          unchanged_dump_tells_nothing, next_hops_are_kept_once)
