#include "unit.h"

#include <string.h>

#include "wire/record.h"

static struct ip_prefix prefix(const char *text)
{
    struct ip_prefix p;
    ck_assert_msg(prefix_parse(text, &p), "%s", text);
    return p;
}

static struct ip_addr addr(const char *text)
{
    struct ip_addr a;
    ck_assert_msg(ip_parse(text, &a), "%s", text);
    return a;
}

static const struct eth_addr mac_a = {{2, 0xa0, 0, 0, 0, 1}};
static const struct eth_addr mac_b = {{2, 0xb0, 0, 0, 0, 2}};

/* Encodes r, decodes it into *ret, and checks that exactly its octets were used. */
static size_t round_trip(const struct record *r, struct record *ret)
{
    struct buf b = {0};

    record_put(&b, r);
    size_t len = b.len;
    ck_assert_uint_le(len, RECORD_MAX_LEN);
    struct cursor c = cursor_of(b.data, b.len);
    const char *error = record_get(&c, ret);
    ck_assert_msg(!error, "%s", error);
    ck_assert_uint_eq(c.n, 0);
    ck_assert_int_eq(ret->kind, r->kind);
    ck_assert_int_eq(ret->remove, r->remove);
    ck_assert_int_eq(ret->urgent, r->kind == REC_PLANE ? r->plane.urgent : r->urgent);
    buf_uninit(&b);
    return len;
}

static struct vm_route big_route(const char *to, unsigned n_hops, const char *gateway)
{
    struct vm_route route = {.prefix = prefix(to),
                             .kind = n_hops ? VM_ROUTE_UNICAST : VM_ROUTE_BLACKHOLE,
                             .metric = 20,
                             .protocol = 188,
                             .n_hops = (uint16_t)n_hops};
    for (unsigned i = 0; i < n_hops; i++) {
        route.hops[i].vm_port = i + 1;
        route.hops[i].weight = (uint16_t)(i + 1);
        if (gateway) {
            route.hops[i].gateway = addr(gateway);
        }
    }
    return route;
}

static void check_route(const struct vm_route *route)
{
    struct record r = {.kind = REC_VM_ROUTE, .vm_route = *route}, d;

    round_trip(&r, &d);
    ck_assert(prefix_equal(&d.vm_route.prefix, &route->prefix));
    ck_assert_int_eq(d.vm_route.kind, route->kind);
    ck_assert_uint_eq(d.vm_route.metric, route->metric);
    ck_assert_uint_eq(d.vm_route.protocol, route->protocol);
    ck_assert_uint_eq(d.vm_route.n_hops, route->n_hops);
    for (unsigned i = 0; i < route->n_hops; i++) {
        ck_assert_uint_eq(d.vm_route.hops[i].vm_port, route->hops[i].vm_port);
        ck_assert_uint_eq(d.vm_route.hops[i].weight, route->hops[i].weight);
        ck_assert(ip_equal(&d.vm_route.hops[i].gateway, &route->hops[i].gateway));
    }
}

START_TEST(routes_survive_the_round_trip)
{
    static const struct {
        const char *to;
        unsigned n_hops;
        const char *gateway;
    } cases[] = {
        {"0.0.0.0/0", 1, "10.0.0.1"},
        {"172.31.1.0/24", 1, NULL},
        {"10.1.2.3/32", 2, "10.0.0.1"},
        {"10.128.0.0/9", 0, NULL},
        {"::/0", 1, "fe80::1"},
        {"2001:db8:8000::/33", 1, NULL},
        {"2001:db8::1/128", 0, NULL},
        {"10.0.0.0/8", 1, "fe80::1"},
        {"2001:db8::/127", VM_MAX_HOPS, "fe80::1"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct vm_route route =
            big_route(cases[i].to, cases[i].n_hops, cases[i].gateway);
        check_route(&route);
    }
}
END_TEST

START_TEST(ports_addresses_and_neighbours_survive_the_round_trip)
{
    struct record d;
    struct record port = {.kind = REC_VM_PORT,
                          .vm_port = {3, mac_a, 1500, true, false, "eth3"}};
    round_trip(&port, &d);
    ck_assert_uint_eq(d.vm_port.vm_port, 3);
    ck_assert(eth_equal(d.vm_port.hwaddr, mac_a));
    ck_assert_uint_eq(d.vm_port.mtu, 1500);
    ck_assert(d.vm_port.admin_up && !d.vm_port.carrier);
    ck_assert_str_eq(d.vm_port.name, "eth3");

    struct record address = {.kind = REC_VM_ADDR,
                             .vm_addr = {2, prefix("10.0.0.1/24")}};
    round_trip(&address, &d);
    ck_assert(prefix_equal(&d.vm_addr.addr, &address.vm_addr.addr));

    struct record neigh = {.kind = REC_VM_NEIGH,
                           .vm_neigh = {2, addr("fe80::2"), mac_b}};
    round_trip(&neigh, &d);
    ck_assert(ip_equal(&d.vm_neigh.addr, &neigh.vm_neigh.addr));
    ck_assert(eth_equal(d.vm_neigh.hwaddr, mac_b));
}
END_TEST

START_TEST(plane_changes_survive_the_round_trip)
{
    struct record d;
    struct record r = {.kind = REC_PLANE};

    r.plane = (struct plane_change){.kind = PLANE_PORT, .port = {7, PORT_EDGE, mac_a}};
    round_trip(&r, &d);
    ck_assert_int_eq(d.plane.kind, PLANE_PORT);
    ck_assert_uint_eq(d.plane.port.dp_port, 7);
    ck_assert_int_eq(d.plane.port.class, PORT_EDGE);
    ck_assert(eth_equal(d.plane.port.mac, mac_a));

    r.plane = (struct plane_change){.kind = PLANE_ADDR, .addr = {addr("10.0.0.1")}};
    round_trip(&r, &d);
    ck_assert(ip_equal(&d.plane.addr.addr, &r.plane.addr.addr));

    r.plane = (struct plane_change){.kind = PLANE_GROUP,
                                    .group = {.id = 9, .mtu = 1400, .n_hops = 2}};
    r.plane.group.hops[0] = (struct fib_hop){1, 1, mac_a, mac_b};
    r.plane.group.hops[1] = (struct fib_hop){2, 9, mac_b, mac_a};
    round_trip(&r, &d);
    ck_assert_uint_eq(d.plane.group.id, 9);
    ck_assert_uint_eq(d.plane.group.n_hops, 2);
    ck_assert_uint_eq(d.plane.group.mtu, 1400);
    ck_assert_uint_eq(d.plane.group.hops[1].weight, 9);
    r.plane.group.hops[1].weight = 0; /* An alternate. */
    round_trip(&r, &d);
    ck_assert(fib_hops_have_alternate(d.plane.group.n_hops, d.plane.group.hops));
    r.plane.group.hops[1].weight = 9;
    round_trip(&r, &d);
    ck_assert(eth_equal(d.plane.group.hops[1].dst, mac_a));

    r.plane = (struct plane_change){
        .kind = PLANE_FIB, .fib = {prefix("172.31.4.0/24"), {FIB_GROUP, 0x7fffffff}}};
    ck_assert_uint_le(round_trip(&r, &d), 12);
    ck_assert(prefix_equal(&d.plane.fib.prefix, &r.plane.fib.prefix));
    ck_assert_uint_eq(d.plane.fib.target.verdict, FIB_GROUP);
    ck_assert_uint_eq(d.plane.fib.target.group, 0x7fffffff);

    r.plane =
        (struct plane_change){.kind = PLANE_TRANSIT, .transit = {mac_a, mac_b, 4}};
    round_trip(&r, &d);
    ck_assert_int_eq(d.plane.kind, PLANE_TRANSIT);
    ck_assert(eth_equal(d.plane.transit.src, mac_a));
    ck_assert(eth_equal(d.plane.transit.dst, mac_b));
    ck_assert_uint_eq(d.plane.transit.dp_port, 4);
}
END_TEST

START_TEST(urgent_are_routes_and_fib_entries_and_nothing_else)
{
    struct record d;
    struct record r = {.kind = REC_PLANE};

    for (int remove = 0; remove < 2; remove++) {
        r.remove = remove;
        r.plane = (struct plane_change){.kind = PLANE_FIB,
                                        .remove = remove,
                                        .urgent = true,
                                        .fib = {prefix("10.0.0.0/8"), {FIB_PUNT}}};
        round_trip(&r, &d);
        ck_assert(d.plane.urgent && d.plane.remove == remove);
    }
    r = (struct record){.kind = REC_VM_ROUTE,
                        .urgent = true,
                        .vm_route = big_route("2001:db8::/32", 1, "fe80::1")};
    round_trip(&r, &d);
    ck_assert(d.urgent);
    ck_assert(prefix_equal(&d.vm_route.prefix, &r.vm_route.prefix));

    for (unsigned kind = 0; kind < 32; kind++) {
        const bool may = kind == REC_VM_ROUTE || kind == REC_N_KINDS + PLANE_FIB;
        uint8_t octets[] = {(uint8_t)(0xa0 | kind), 0}; /* Remove 0.0.0.0/0. */
        const char *error = record_check(octets, sizeof octets);
        ck_assert_msg(may == !error, "kind %u: %s", kind, error);
    }
}
END_TEST

START_TEST(of_removed_things_the_key_survives)
{
    struct record d;
    struct record r = {.kind = REC_PLANE, .remove = true};

    r.plane = (struct plane_change){
        .kind = PLANE_FIB, .remove = true, .fib.prefix = prefix("2001:db8::/32")};
    round_trip(&r, &d);
    ck_assert(d.plane.remove);
    ck_assert(prefix_equal(&d.plane.fib.prefix, &r.plane.fib.prefix));

    r.plane = (struct plane_change){.kind = PLANE_GROUP, .remove = true, .group.id = 4};
    round_trip(&r, &d);
    ck_assert_uint_eq(d.plane.group.id, 4);
    ck_assert_uint_eq(d.plane.group.n_hops, 0);

    r.plane = (struct plane_change){
        .kind = PLANE_TRANSIT, .remove = true, .transit = {.src = mac_a, .dst = mac_b}};
    ck_assert_uint_eq(round_trip(&r, &d), 13);
    ck_assert(eth_equal(d.plane.transit.dst, mac_b));

    struct record route = {.kind = REC_VM_ROUTE, .remove = true};
    route.vm_route.prefix = prefix("0.0.0.0/0");
    round_trip(&route, &d);
    ck_assert(prefix_equal(&d.vm_route.prefix, &route.vm_route.prefix));

    struct record port = {.kind = REC_VM_PORT, .remove = true, .vm_port.vm_port = 5};
    round_trip(&port, &d);
    ck_assert_uint_eq(d.vm_port.vm_port, 5);
}
END_TEST

START_TEST(virtual_plane_records_survive_the_round_trip)
{
    struct record d;
    struct record relay = {.kind = REC_RELAY,
                           .relay = {{5, 1, 2}, {0x7266767300000001, 6}}};
    round_trip(&relay, &d);
    ck_assert(dp_key_equal(d.relay.dp, relay.relay.dp));
    ck_assert(vs_key_equal(d.relay.vs, relay.relay.vs));

    struct record vlink = {.kind = REC_VLINK, .remove = true, .vlink = {3, 4}};
    round_trip(&vlink, &d);
    ck_assert_uint_eq(d.vlink.from, 3);
    ck_assert_uint_eq(d.vlink.to, 4);

    struct record carrier = {.kind = REC_CARRIER, .carrier = {3, true}};
    round_trip(&carrier, &d);
    ck_assert(d.carrier.off);

    struct record begin = {.kind = REC_BEGIN}, end = {.kind = REC_END};
    round_trip(&begin, &d);
    round_trip(&end, &d);
}
END_TEST

START_TEST(values_out_of_range_are_refused_with_a_reason)
{
    static const struct {
        size_t n;
        uint8_t bytes[32];
        const char *error;
    } cases[] = {
        {1, {0}, "unknown kind of record"},
        {1, {11}, "unknown kind of record"},
        {1, {17}, "unknown kind of record"},
        {1, {31}, "unknown kind of record"},
        {1, {63}, "urgent, which a record of its kind cannot be"},
        {2, {15, 33}, "prefix length out of range"},
        {2, {15 | 0x40, 129}, "prefix length out of range"},
        {3, {15, 7, 3}, "prefix has bits beyond its length"},
        {3, {15, 8, 10}, "record is cut short"},
        {4, {15, 8, 10, 4}, "unknown FIB verdict"},
        {8, {15, 8, 10, 1, 0, 0, 0, 0}, "group id out of range"},
        {8, {15, 8, 10, 1, 0x80, 0, 0, 0}, "group id out of range"},
        {5, {14, 0, 0, 0, 0}, "group id out of range"},
        {8, {14, 0, 0, 0, 1, 5, 120, 65}, "number of next hops out of range"},
        /* Only the second of two can be an alternate. */
        {26,
         {14, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 2, 0,
          0,  2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2},
         "next hop has weight 0"},
        {26,
         {14, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 2, 0,
          0,  2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2},
         "next hop has weight 0"},
        {10, {5, 8, 10, 1, 0, 0, 0, 1, 2, 0}, "number of next hops out of range"},
        {10, {5, 8, 10, 1, 0, 0, 0, 1, 2, 65}, "number of next hops out of range"},
        {10, {5, 8, 10, 2, 0, 0, 0, 1, 2, 1}, "number of next hops out of range"},
        {10, {5, 8, 10, 4, 0, 0, 0, 1, 2, 1}, "unknown kind of route"},
        {17,
         {5, 8, 10, 1, 0, 0, 0, 1, 2, 1, 0, 0, 0, 1, 0, 1, 5},
         "gateway of unknown address family"},
        {17,
         {5, 8, 10, 1, 0, 0, 0, 1, 2, 1, 0, 0, 0, 1, 0, 0, 4},
         "next hop has weight 0"},
        {5, {3, 0, 0, 0, 0}, "port number is 0"},
        {19,
         {3, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 5, 220, 3, 2, 'e', '\n'},
         "interface name is not printable"},
        {17,
         {3, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 5, 220, 3, 16},
         "interface name is too long"},
        {12, {12, 0, 0, 0, 1, 6, 2, 0, 0, 0, 0, 1}, "unknown port class"},
        {17, {16, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, "port number is 0"},
        {16, {16, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, "record is cut short"},
        {12, {16 | 0x80, 2, 0, 0, 0, 0, 1, 2}, "record is cut short"},
        {6, {10, 0, 0, 0, 1, 2}, "carrier is neither on nor off"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *error = record_check(cases[i].bytes, cases[i].n);
        ck_assert_msg(error != NULL, "case %zu is accepted", i);
        ck_assert_msg(!strcmp(error, cases[i].error), "case %zu: %s", i, error);
    }
}
END_TEST

START_TEST(every_truncation_of_a_batch_is_refused_or_ends_between_records)
{
    struct vm_route route = big_route("10.0.0.0/8", 3, "fe80::1");
    struct vm_neigh neigh = {1, addr("10.0.0.2"), mac_b};
    struct buf b = {0};

    record_put_vm_route(&b, &route, false, true);
    size_t first = b.len;
    record_put_vm_neigh(&b, &neigh, false);
    for (size_t n = 0; n <= b.len; n++) {
        uint8_t *copy = xmalloc(n);
        memcpy(copy, b.data, n);
        bool whole = n == 0 || n == first || n == b.len;
        ck_assert_int_eq(record_check(copy, n) == NULL, whole);
        free(copy);
    }
    buf_uninit(&b);
}
END_TEST

START_TEST(random_bytes_are_survived)
{
    uint64_t x = 88172645463325252u;

    for (int i = 0; i < 200000; i++) {
        uint8_t data[48];
        for (size_t k = 0; k < sizeof data; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            data[k] = (uint8_t)(k % 3 ? x : x % 20);
        }
        record_check(data, 1 + (size_t)(x % sizeof data));
    }
}
END_TEST

UNIT_MAIN("wire/record", routes_survive_the_round_trip,
          ports_addresses_and_neighbours_survive_the_round_trip,
          plane_changes_survive_the_round_trip,
          urgent_are_routes_and_fib_entries_and_nothing_else,
          of_removed_things_the_key_survives,
          virtual_plane_records_survive_the_round_trip,
          values_out_of_range_are_refused_with_a_reason,
          every_truncation_of_a_batch_is_refused_or_ends_between_records,
          random_bytes_are_survived)
