/* The state of a VM as a script: what the kernel says on one side, the records that go
 * to rfserver on the other. */

#include "unit.h"

#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "state.h"
#include "record_text.h"
#include "urgency.h"
#include "withdrawals.h"

static struct vm_state *vm;
static struct buf told; /* What went out, as text. */
static int64_t now = 1000000;

static void setup(void)
{
    struct port_pattern pattern;
    struct prober_config prober = PROBER_DEFAULTS;

    ck_assert(port_pattern_parse("eth%", &pattern));
    vm = vm_state_create(&pattern, &prober);
}

static void teardown(void)
{
    vm_state_destroy(vm);
    buf_uninit(&told);
}

/* From the kernel. */

static unsigned say(struct rtnl_msg m, bool in_dump)
{
    return vm_state_message(vm, &m, in_dump, now);
}

static struct rtnl_msg link_msg(uint32_t ifindex, const char *name, bool up)
{
    struct rtnl_msg m = {.kind = RTNL_LINK};

    m.link = (struct rtnl_link){.ifindex = ifindex,
                                .mtu = 1500,
                                .admin_up = up,
                                .carrier = up,
                                .hwaddr = {{2, 0, 0, 0, 0, (uint8_t)ifindex}}};
    str_copy(m.link.name, name, sizeof m.link.name);
    return m;
}

static void link_is(uint32_t ifindex, const char *name, bool up)
{
    say(link_msg(ifindex, name, up), false);
}

static void carrier_is(uint32_t ifindex, const char *name, bool carrier)
{
    struct rtnl_msg m = link_msg(ifindex, name, true);
    m.link.carrier = carrier;
    say(m, false);
}

static void link_gone(uint32_t ifindex, const char *name)
{
    struct rtnl_msg m = link_msg(ifindex, name, false);

    m.del = true;
    say(m, false);
}

static void addr_is(uint32_t ifindex, const char *prefix, bool del)
{
    struct rtnl_msg m = {.kind = RTNL_ADDR, .del = del};

    m.addr.ifindex = ifindex;
    ck_assert(prefix_parse(prefix, &m.addr.addr));
    say(m, false);
}

static void neigh_is(uint32_t ifindex, const char *addr, uint8_t last, uint16_t nud)
{
    struct rtnl_msg m = {.kind = RTNL_NEIGH, .del = !nud};

    m.neigh.ifindex = ifindex;
    m.neigh.nud_state = nud;
    m.neigh.usable = nud && nud != NUD_FAILED;
    if (m.neigh.usable) {
        m.neigh.hwaddr = (struct eth_addr){{4, 0, 0, 0, 0, last}};
    }
    ck_assert(ip_parse(addr, &m.neigh.addr));
    say(m, false);
}

/* "10.0.0.0/8 metric 20 2:10.1.1.1 3:": hops as ifindex:gateway. */
static struct rtnl_msg route_msg(const char *text)
{
    struct rtnl_msg m = {.kind = RTNL_ROUTE4};
    struct rtnl_route *r = &m.route;
    char *copy = xstrdup(text), *save;

    *r = (struct rtnl_route){.kind = VM_ROUTE_UNICAST, .protocol = 4};
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char *colon = strchr(w, ':');
        if (strchr(w, '/')) {
            ck_assert(prefix_parse(w, &r->prefix));
        } else if (!strcmp(w, "metric")) {
            r->metric = (uint32_t)atoi(strtok_r(NULL, " ", &save));
        } else if (!strcmp(w, "blackhole")) {
            r->kind = VM_ROUTE_BLACKHOLE;
        } else {
            struct rtnl_hop *hop = &r->hops[r->n_hops++];
            *hop = (struct rtnl_hop){.ifindex = (uint32_t)atoi(w), .weight = 1};
            ck_assert(colon && (!colon[1] || ip_parse(colon + 1, &hop->gateway)));
        }
    }
    free(copy);
    if (r->prefix.addr.version == IP_V6) {
        m.kind = RTNL_ROUTE6;
    }
    return m;
}

enum { NEW, REPLACE, APPEND, DEL };

static unsigned route(int how, const char *text)
{
    struct rtnl_msg m = route_msg(text);

    m.replace = how == REPLACE;
    m.append = how == APPEND;
    m.del = how == DEL;
    return say(m, false);
}

/* A complete dump of one kind that names these routes (or nothing: NULL). */
static void dump(enum rtnl_kind kind, bool complete, const char *const *routes)
{
    vm_state_dump_begin(vm, kind);
    for (; routes && *routes; routes++) {
        say(route_msg(*routes), true);
    }
    vm_state_dump_end(vm, kind, complete, now);
}
#define DUMP4(...) dump(RTNL_ROUTE4, true, (const char *const[]){__VA_ARGS__, NULL})

/* To rfserver. */

static bool send_one(void)
{
    struct buf records = {0};
    struct record r;

    bool any = vm_state_put_next(vm, now, &records);
    struct cursor c = cursor_of(records.data, records.len);
    while (c.n) {
        const char *error = record_get(&c, &r);
        ck_assert_msg(!error, "%s", error);
        format_record(&r, &told);
    }
    buf_uninit(&records);
    return any;
}

static const char *sent(void)
{
    buf_clear(&told);
    while (send_one()) {
    }
    ck_assert(!vm_state_pending(vm));
    return buf_cstr(&told);
}

static void two_ports(void)
{
    link_is(1, "eth0", true);
    link_is(2, "eth1", true);
    link_is(3, "eth2", true);
    ck_assert_str_eq(sent(), "port 1 up; port 2 up");
}

/* Ports. */

START_TEST(interface_names_give_port_numbers)
{
    struct port_pattern p;
    uint32_t n = 77;

    ck_assert(port_pattern_parse("eth%", &p));
    ck_assert(port_pattern_match(&p, "eth12", &n) && n == 12);
    ck_assert(port_pattern_match(&p, "eth0", &n) && n == 0);
    n = 77;
    ck_assert(!port_pattern_match(&p, "eth", &n));
    ck_assert(!port_pattern_match(&p, "eth01", &n));
    ck_assert(!port_pattern_match(&p, "eth1x", &n));
    ck_assert(!port_pattern_match(&p, "eth-1", &n));
    ck_assert(!port_pattern_match(&p, "veth1", &n));
    ck_assert(!port_pattern_match(&p, "eth99999999999", &n));
    ck_assert_uint_eq(n, 77);
    ck_assert(port_pattern_parse("vm%-p", &p));
    ck_assert(port_pattern_match(&p, "vm3-p", &n) && n == 3);
    ck_assert(!port_pattern_match(&p, "vm-p", &n));
    ck_assert(!port_pattern_parse("eth", &p));
    ck_assert(!port_pattern_parse("%eth%", &p));
    ck_assert(!port_pattern_parse("averylonginterface%", &p));
}
END_TEST

START_TEST(management_interface_is_never_told)
{
    two_ports();
    addr_is(1, "192.169.1.2/24", false);
    neigh_is(1, "192.169.1.1", 1, NUD_REACHABLE);
    route(NEW, "0.0.0.0/0 1:192.169.1.1");
    route(NEW, "192.169.1.0/24 1:");
    ck_assert_str_eq(sent(), "");
}
END_TEST

START_TEST(route_over_management_hides_none_over_a_port)
{
    two_ports();
    route(NEW, "0.0.0.0/0 metric 20 2:10.1.1.1");
    route(NEW, "0.0.0.0/0 1:192.169.1.1");
    ck_assert_str_eq(sent(), "route 0.0.0.0/0 1:10.1.1.1");
}
END_TEST

START_TEST(ports_come_go_and_change_names)
{
    two_ports();
    addr_is(3, "10.0.2.1/24", false);
    neigh_is(3, "10.0.2.2", 2, NUD_REACHABLE);
    route(NEW, "10.2.0.0/16 3:10.0.2.2");
    sent();
    link_is(3, "eth9", true);
    ck_assert_str_eq(sent(), "-port 2; port 9 up; -addr 2 10.0.2.1/24; "
                             "addr 9 10.0.2.1/24; -neigh 2 10.0.2.2; "
                             "neigh 9 10.0.2.2 02; route 10.2.0.0/16 9:10.0.2.2");
    link_is(3, "uplink", true);
    ck_assert_str_eq(sent(), "-port 9; -addr 9 10.0.2.1/24; -neigh 9 10.0.2.2; "
                             "-route 10.2.0.0/16");
    link_is(3, "eth9", true);
    sent();
    link_gone(3, "eth9");
    ck_assert_str_eq(sent(), "-port 9; -addr 9 10.0.2.1/24; -neigh 9 10.0.2.2; "
                             "-route 10.2.0.0/16");
}
END_TEST

START_TEST(interface_that_came_back_with_another_index_is_the_same_port)
{
    two_ports();
    link_gone(3, "eth2");
    link_is(8, "eth2", true);
    ck_assert_str_eq(sent(), "port 2 up");
}
END_TEST

START_TEST(routes_over_a_port_that_goes_down_leave_at_once_and_return)
{
    two_ports();
    route(NEW, "10.1.0.0/16 2:10.0.1.2");
    route(NEW, "10.2.0.0/16 2:10.0.1.2 3:10.0.2.2");
    route(NEW, "10.3.0.0/16 3:10.0.2.2");
    route(NEW, "10.3.0.0/16 metric 50 2:10.0.1.2");
    sent();
    link_is(3, "eth2", false);
    ck_assert_str_eq(sent(), "port 2 down; route 10.2.0.0/16 1:10.0.1.2; "
                             "route 10.3.0.0/16 1:10.0.1.2");
    link_is(2, "eth1", false);
    ck_assert_str_eq(sent(), "port 1 down; -route 10.1.0.0/16; -route 10.2.0.0/16; "
                             "-route 10.3.0.0/16");
    link_is(3, "eth2", true);
    ck_assert_str_eq(sent(), "port 2 up; route 10.2.0.0/16 2:10.0.2.2; "
                             "route 10.3.0.0/16 2:10.0.2.2");
}
END_TEST

START_TEST(routes_over_a_port_without_carrier_stay_unless_there_is_another)
{
    two_ports();
    route(NEW, "10.1.0.0/16 2:10.0.1.2");
    route(NEW, "10.2.0.0/16 2:10.0.1.2 3:10.0.2.2");
    route(NEW, "10.3.0.0/16 3:10.0.2.2");
    route(NEW, "10.3.0.0/16 metric 50 2:10.0.1.2");
    sent();
    carrier_is(3, "eth2", false);
    ck_assert_str_eq(sent(), "port 2 no carrier; route 10.3.0.0/16 1:10.0.1.2");
}
END_TEST

/* Neighbours. */

START_TEST(neighbours_are_told_when_usable_and_forgotten_when_failed_or_deleted)
{
    two_ports();
    neigh_is(2, "10.0.1.2", 7, NUD_REACHABLE);
    ck_assert_str_eq(sent(), "neigh 1 10.0.1.2 07");
    neigh_is(2, "10.0.1.2", 7, NUD_STALE);
    neigh_is(2, "10.0.1.2", 7, NUD_PROBE);
    ck_assert_str_eq(sent(), "");
    neigh_is(2, "10.0.1.2", 8, NUD_STALE);
    ck_assert_str_eq(sent(), "neigh 1 10.0.1.2 08");
    neigh_is(2, "10.0.1.2", 8, NUD_PROBE);
    neigh_is(2, "10.0.1.2", 0, NUD_FAILED);
    ck_assert_str_eq(sent(), "-neigh 1 10.0.1.2");
    neigh_is(2, "10.0.1.2", 0, 0);
    ck_assert_str_eq(sent(), "");
    neigh_is(2, "fe80::2", 9, NUD_PERMANENT);
    neigh_is(2, "fe80::2", 9, 0);
    ck_assert_str_eq(sent(), "");
}
END_TEST

static int no_answer(void *aux, uint32_t i, const struct ip_addr *a, enum nl_probe how)
{
    return 0;
}

START_TEST(neighbour_that_the_kernel_forgot_is_one_while_it_can_be_asked)
{
    two_ports();
    neigh_is(2, "10.0.1.2", 7, NUD_REACHABLE);
    sent();
    neigh_is(2, "10.0.1.2", 7, 0);
    vm_state_probe(vm, now, no_answer, NULL);
    neigh_is(2, "10.0.1.2", 7, NUD_REACHABLE);
    ck_assert_str_eq(sent(), "");

    neigh_is(2, "10.0.1.2", 7, 0);
    carrier_is(2, "eth1", false);
    sent();
    vm_state_probe(vm, now, no_answer, NULL);
    carrier_is(2, "eth1", true);
    ck_assert_str_eq(sent(), "port 1 up; -neigh 1 10.0.1.2");
}
END_TEST

/* Routes. */

START_TEST(best_metric_is_told_and_the_next_one_when_it_goes)
{
    two_ports();
    route(NEW, "10.1.0.0/16 metric 20 2:10.0.1.2");
    route(NEW, "10.1.0.0/16 metric 10 3:10.0.2.2");
    route(NEW, "10.1.0.0/16 metric 30 blackhole");
    ck_assert_str_eq(sent(), "route 10.1.0.0/16 2:10.0.2.2");
    route(DEL, "10.1.0.0/16 metric 10 3:10.0.2.2");
    ck_assert_str_eq(sent(), "route 10.1.0.0/16 1:10.0.1.2");
    route(DEL, "10.1.0.0/16 metric 20 2:10.0.1.2");
    ck_assert_str_eq(sent(), "route 10.1.0.0/16 blackhole");
    route(DEL, "10.1.0.0/16 metric 30 blackhole");
    ck_assert_str_eq(sent(), "-route 10.1.0.0/16");
    route(DEL, "10.1.0.0/16 metric 30 blackhole");
    ck_assert_str_eq(sent(), "");
}
END_TEST

START_TEST(many_changes_of_a_prefix_are_sent_as_one)
{
    two_ports();
    for (int i = 0; i < 1000; i++) {
        route(REPLACE, i % 2 ? "10.1.0.0/16 2:10.0.1.2" : "10.1.0.0/16 3:10.0.2.2");
        route(NEW, "10.2.0.0/16 2:10.0.1.2");
        route(DEL, "10.2.0.0/16 2:10.0.1.2");
    }
    ck_assert_str_eq(sent(), "route 10.1.0.0/16 1:10.0.1.2");
}
END_TEST

START_TEST(ipv6_route_gains_and_loses_single_hops)
{
    two_ports();
    ck_assert_uint_eq(route(NEW, "2001:db8::/32 metric 1024 2:2001:db8:1::2"), 0);
    /* The kernel names all hops; only a dump can tell that it is not a second route. */
    ck_assert_uint_eq(
        route(APPEND, "2001:db8::/32 metric 1024 2:2001:db8:1::2 3:2001:db8:2::2"),
        RTNL_ROUTE6);
    ck_assert_str_eq(sent(), "route 2001:db8::/32 1:2001:db8:1::2 2:2001:db8:2::2");
    route(DEL, "2001:db8::/32 metric 1024 2:2001:db8:1::2");
    ck_assert_str_eq(sent(), "route 2001:db8::/32 2:2001:db8:2::2");
    /* Of an interface that is gone the kernel names none. */
    route(DEL, "2001:db8::/32 metric 1024");
    sent();
    now += WITHDRAWAL_HOLD;
    ck_assert_str_eq(sent(), "-route 2001:db8::/32");
}
END_TEST

/* Seen on Linux 6.18: its dumps leave out a route that stands between the hops of
 * another one of the same metric. */
START_TEST(ipv6_route_that_loses_hops_asks_for_a_dump)
{
    two_ports();
    route(NEW, "2001:db8::/32 metric 20 2:2001:db8:1::2 3:2001:db8:2::2");
    ck_assert_uint_eq(route(DEL, "2001:db8::/32 metric 20 2:2001:db8:1::2"),
                      RTNL_ROUTE6);
    route(REPLACE, "2001:db8::/32 metric 20 2:2001:db8:1::2 3:2001:db8:2::2");
    ck_assert_uint_eq(
        route(DEL, "2001:db8::/32 metric 20 2:2001:db8:1::2 3:2001:db8:2::2"),
        RTNL_ROUTE6);
    ck_assert_str_eq(sent(), "");
}
END_TEST

START_TEST(ipv6_change_is_a_delete_and_a_new_one_but_sent_as_one)
{
    two_ports();
    route(NEW, "2001:db8::/32 metric 20 2:fe80::2");
    sent();
    route(DEL, "2001:db8::/32 metric 20 2:fe80::2");
    route(NEW, "2001:db8::/32 metric 20 3:fe80::3");
    ck_assert_str_eq(sent(), "route 2001:db8::/32 2:fe80::3");
}
END_TEST

START_TEST(ipv6_route_that_returns_in_time_was_never_away)
{
    two_ports();
    route(NEW, "2001:db8::/32 metric 20 2:fe80::2");
    sent();
    route(DEL, "2001:db8::/32 metric 20 2:fe80::2");
    ck_assert_str_eq(sent(), "");
    ck_assert_int_eq(vm_state_due(vm), now + WITHDRAWAL_HOLD);
    now += WITHDRAWAL_HOLD - 1;
    route(NEW, "2001:db8::/32 metric 20 3:fe80::3");
    ck_assert_str_eq(sent(), "route 2001:db8::/32 2:fe80::3");
    ck_assert_int_eq(vm_state_due(vm), INT64_MAX);
}
END_TEST

START_TEST(routes_of_the_same_metric_ask_for_a_dump_when_they_go)
{
    two_ports();
    ck_assert_uint_eq(route(NEW, "10.1.0.0/16 2:10.0.1.2"), 0);
    ck_assert_uint_eq(route(APPEND, "10.1.0.0/16 3:10.0.2.2"), RTNL_ROUTE4);
    ck_assert_str_eq(sent(), "route 10.1.0.0/16 1:10.0.1.2");
    DUMP4("10.1.0.0/16 2:10.0.1.2", "10.1.0.0/16 3:10.0.2.2");
    ck_assert_str_eq(sent(), "");
    ck_assert_uint_eq(route(DEL, "10.1.0.0/16 2:10.0.1.2"), RTNL_ROUTE4);
    DUMP4("10.1.0.0/16 3:10.0.2.2");
    ck_assert_str_eq(sent(), "route 10.1.0.0/16 2:10.0.2.2");
    ck_assert_uint_eq(route(DEL, "10.1.0.0/16 3:10.0.2.2"), 0);
    ck_assert_str_eq(sent(), "-route 10.1.0.0/16");
}
END_TEST

START_TEST(dead_route_is_as_good_as_none)
{
    two_ports();
    route(NEW, "10.1.0.0/16 2:10.0.1.2");
    sent();
    route(REPLACE, "10.1.0.0/16"); /* All its hops were dead. */
    ck_assert_str_eq(sent(), "-route 10.1.0.0/16");
    DUMP4("10.1.0.0/16");
    ck_assert_str_eq(sent(), "");
}
END_TEST

/* Dumps. */

START_TEST(complete_dump_removes_what_it_does_not_name_and_sends_only_differences)
{
    two_ports();
    route(NEW, "10.1.0.0/16 2:10.0.1.2");
    route(NEW, "10.2.0.0/16 2:10.0.1.2");
    route(NEW, "10.2.0.0/16 metric 9 3:10.0.2.2");
    route(NEW, "2001:db8::/32 2:fe80::2");
    sent();
    DUMP4("10.1.0.0/16 2:10.0.1.2", "10.2.0.0/16 metric 9 3:10.0.2.2",
          "10.3.0.0/16 2:10.0.1.2");
    ck_assert_str_eq(sent(), "route 10.3.0.0/16 1:10.0.1.2; "
                             "route 10.2.0.0/16 2:10.0.2.2");
    dump(RTNL_ROUTE4, true, NULL);
    dump(RTNL_ADDR, true, NULL);
    ck_assert_str_eq(sent(), "-route 10.1.0.0/16; -route 10.2.0.0/16; "
                             "-route 10.3.0.0/16");
}
END_TEST

START_TEST(incomplete_dump_removes_nothing)
{
    two_ports();
    route(NEW, "10.1.0.0/16 2:10.0.1.2");
    addr_is(2, "10.0.1.1/24", false);
    neigh_is(2, "10.0.1.2", 2, NUD_REACHABLE);
    sent();
    for (int i = 0; i < 600; i++) {
        dump(RTNL_ROUTE4, false, NULL);
    }
    dump(RTNL_ADDR, false, NULL);
    dump(RTNL_NEIGH, false, NULL);
    dump(RTNL_LINK, false, NULL);
    ck_assert_str_eq(sent(), "");
    dump(RTNL_ADDR, true, NULL);
    dump(RTNL_NEIGH, true, NULL);
    ck_assert_str_eq(sent(), "-addr 1 10.0.1.1/24");
    now += DOUBT_MS;
    vm_state_probe(vm, now, no_answer, NULL);
    ck_assert_str_eq(sent(), "-neigh 1 10.0.1.2");
    dump(RTNL_LINK, true, NULL);
    ck_assert_str_eq(sent(), "-port 1; -port 2; -route 10.1.0.0/16");
}
END_TEST

/* Sessions. */

START_TEST(resync_tells_everything_in_order_between_begin_and_end)
{
    two_ports();
    route(NEW, "10.1.0.0/16 2:10.0.1.2");
    route(NEW, "10.9.0.0/16 1:192.169.1.1");
    neigh_is(2, "10.0.1.2", 2, NUD_REACHABLE);
    addr_is(2, "10.0.1.1/24", false);
    sent();
    route(DEL, "10.9.0.0/16 1:192.169.1.1");
    route(NEW, "10.2.0.0/16 2:10.0.1.2");
    sent();
    route(DEL, "10.2.0.0/16 2:10.0.1.2"); /* Not told before: not told at all. */
    vm_state_resync(vm);
    ck_assert_str_eq(sent(), "BEGIN; port 1 up; port 2 up; addr 1 10.0.1.1/24; "
                             "neigh 1 10.0.1.2 02; route 10.1.0.0/16 1:10.0.1.2; END");
    vm_state_resync(vm);
    route(REPLACE, "10.1.0.0/16 3:10.0.2.2");
    ck_assert_str_eq(sent(), "BEGIN; port 1 up; port 2 up; addr 1 10.0.1.1/24; "
                             "neigh 1 10.0.1.2 02; route 10.1.0.0/16 2:10.0.2.2; END");
}
END_TEST

START_TEST(end_of_resync_does_not_wait_for_a_network_that_never_rests)
{
    two_ports();
    for (int i = 0; i < 50; i++) {
        char text[64];
        snprintf(text, sizeof text, "10.%d.0.0/16 2:10.0.1.2", i);
        route(NEW, text);
    }
    vm_state_resync(vm);
    buf_clear(&told);
    for (int i = 0; i < 60 + URGENCY_BURST && !strstr(buf_cstr(&told), "END"); i++) {
        /* The first prefix changes with each record that is sent. */
        route(REPLACE, i % 2 ? "10.0.0.0/16 2:10.0.1.2" : "10.0.0.0/16 3:10.0.2.2");
        send_one();
    }
    ck_assert_msg(strstr(buf_cstr(&told), "END"), "told: %s", buf_cstr(&told));
    ck_assert(strstr(buf_cstr(&told), "10.49.0.0/16"));
}
END_TEST

START_TEST(empty_vm_resyncs_with_begin_and_end)
{
    vm_state_resync(vm);
    ck_assert_str_eq(sent(), "BEGIN; END");
}
END_TEST

UNIT_MAIN_WITH("client/state", setup, teardown, interface_names_give_port_numbers,
               management_interface_is_never_told,
               route_over_management_hides_none_over_a_port,
               ports_come_go_and_change_names,
               interface_that_came_back_with_another_index_is_the_same_port,
               routes_over_a_port_that_goes_down_leave_at_once_and_return,
               routes_over_a_port_without_carrier_stay_unless_there_is_another,
               neighbours_are_told_when_usable_and_forgotten_when_failed_or_deleted,
               neighbour_that_the_kernel_forgot_is_one_while_it_can_be_asked,
               best_metric_is_told_and_the_next_one_when_it_goes,
               many_changes_of_a_prefix_are_sent_as_one,
               ipv6_route_gains_and_loses_single_hops,
               ipv6_route_that_loses_hops_asks_for_a_dump,
               ipv6_change_is_a_delete_and_a_new_one_but_sent_as_one,
               ipv6_route_that_returns_in_time_was_never_away,
               routes_of_the_same_metric_ask_for_a_dump_when_they_go,
               dead_route_is_as_good_as_none,
               complete_dump_removes_what_it_does_not_name_and_sends_only_differences,
               incomplete_dump_removes_nothing,
               resync_tells_everything_in_order_between_begin_and_end,
               end_of_resync_does_not_wait_for_a_network_that_never_rests,
               empty_vm_resyncs_with_begin_and_end)
