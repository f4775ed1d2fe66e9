/* Which changes of routes are urgent, and the order in which they are told. */

#include "unit.h"

#include <string.h>

#include "record_text.h"
#include "route_store.h"
#include "routes.h"
#include "state.h"
#include "urgency.h"
#include "withdrawals.h"

enum { OSPF = 188, BGP = 186, ISIS = 187 };

static struct ip_prefix nth(uint32_t i)
{
    return (struct ip_prefix){.addr = ip_from_v4(0x14000000 + (i << 8)), .plen = 24};
}

static struct rtnl_msg message(uint32_t i, uint8_t protocol, bool del)
{
    struct rtnl_msg m = {.kind = RTNL_ROUTE4, .del = del};

    m.route = (struct rtnl_route){
        .prefix = nth(i), .kind = VM_ROUTE_UNICAST, .protocol = protocol, .n_hops = 1};
    m.route.hops[0] =
        (struct rtnl_hop){.ifindex = 2, .weight = 1, .gateway = ip_from_v4(0x0a000102)};
    return m;
}

static void change(struct route_table *t, uint32_t i, uint8_t protocol, bool del,
                   int64_t now)
{
    struct rtnl_msg m = message(i, protocol, del);

    route_table_event(t, &m, now);
}

static uint32_t port_of(void *aux, uint32_t ifindex, bool *ret_carrier)
{
    *ret_carrier = true;
    return ifindex - 1;
}

/* The next of this queue must be prefix number i. */
static void expect(struct route_table *t, bool urgent, uint32_t i, bool removed)
{
    struct ip_prefix wanted = nth(i);
    struct vm_route r;
    bool remove;

    ck_assert(route_table_pop(t, urgent, port_of, NULL, &r, &remove));
    ck_assert_msg(prefix_equal(&r.prefix, &wanted), "%08x is next, not number %u",
                  ip_to_v4(r.prefix.addr), i);
    ck_assert(remove == removed);
}

static void expect_none(struct route_table *t, bool urgent)
{
    struct vm_route r;
    bool remove;

    ck_assert(!route_table_pop(t, urgent, port_of, NULL, &r, &remove));
}

START_TEST(protocol_has_a_burst_of_urgent_changes_and_none_in_a_stream)
{
    static struct urgency u;
    int64_t now = 5000;
    int n = 0;

    for (int i = 0; i < URGENCY_BURST; i++) {
        ck_assert(urgency_take(&u, BGP, now));
    }
    ck_assert(!urgency_take(&u, BGP, now));
    ck_assert(urgency_take(&u, OSPF, now)); /* Another one has its own. */
    for (int i = 0; i < 10000; i++) {       /* Five in each millisecond. */
        now += i % 5 == 0;
        n += urgency_take(&u, BGP, now);
    }
    ck_assert_int_eq(n, 0);
    /* It ends, and some time later its changes are urgent again. */
    now += URGENCY_BURST / 2 / URGENCY_PER_MS - 1;
    ck_assert(!urgency_take(&u, BGP, now));
    ck_assert(urgency_take(&u, BGP, now + 2));
    /* Those of a protocol that keeps to the rate always are. */
    for (int i = 0; i < 10000; i++) {
        now += 1;
        n += urgency_take(&u, ISIS, now);
    }
    ck_assert_int_eq(n, 10000);
    now += 1000000000000; /* Rest does not add up to more than a burst. */
    for (n = 0; urgency_take(&u, BGP, now); n++) {
    }
    ck_assert_int_eq(n, URGENCY_BURST);
}
END_TEST

START_TEST(change_of_a_quiet_protocol_goes_before_the_many_of_another)
{
    struct route_table *t = route_table_create();

    for (uint32_t i = 0; i < 5000; i++) {
        change(t, i, BGP, false, 1000);
    }
    change(t, 9000, OSPF, false, 1001);
    for (uint32_t i = 0; i < URGENCY_BURST; i++) {
        expect(t, true, i, false);
    }
    expect(t, true, 9000, false);
    expect_none(t, true);
    for (uint32_t i = URGENCY_BURST; i < 3000; i++) {
        expect(t, false, i, false);
    }
    change(t, 9000, OSPF, true, 1002);
    expect(t, true, 9000, true);
    for (uint32_t i = 3000; i < 5000; i++) {
        expect(t, false, i, false);
    }
    expect_none(t, false);
    ck_assert_uint_eq(route_table_pending(t), 0);
    route_table_destroy(t);
}
END_TEST

START_TEST(prefix_that_waits_and_becomes_urgent_is_told_once)
{
    struct route_table *t = route_table_create();

    for (uint32_t i = 0; i < 1000; i++) {
        change(t, i, BGP, false, 1000);
    }
    change(t, 500, OSPF, false, 1000);
    change(t, 501, OSPF, true, 1000); /* Was never told. */
    change(t, 502, BGP, true, 1000);
    ck_assert_uint_eq(route_table_pending(t), 1000);
    for (uint32_t i = 0; i < URGENCY_BURST; i++) {
        expect(t, true, i, false);
    }
    expect(t, true, 500, false);
    struct rtnl_msg again = message(500, BGP, false);
    again.replace = true; /* As one of many: in its old place. */
    route_table_event(t, &again, 1000);
    for (uint32_t i = URGENCY_BURST; i < 1000; i++) {
        if (i != 501 && i != 502) {
            expect(t, false, i, false);
        }
    }
    expect_none(t, false);
    expect_none(t, true);
    ck_assert_uint_eq(route_table_pending(t), 0);
    ck_assert_uint_eq(route_table_count(t), 1000 - 2);
    route_table_destroy(t);
}
END_TEST

START_TEST(heads_of_routes_that_are_gone_do_not_pile_up)
{
    struct route_store s;
    struct ip_prefix p = nth(1), q = nth(2);

    route_store_init(&s);
    for (int i = 0; i < 1000; i++) {
        uint32_t first = head_obtain(&s, &q), head = head_obtain(&s, &p);
        dirty_push(&s, first, false);
        dirty_push(&s, head, false);
        dirty_push(&s, head, true);
        ck_assert_uint_eq(s.n_dirty, 2);
        ck_assert_uint_eq(dirty_pop(&s, true), head);
        head_tidy(&s, head); /* Not yet: it stands in the list. */
        ck_assert_uint_eq(head_find(&s, &p), head);
        ck_assert_uint_eq(dirty_pop(&s, false), first);
        head_tidy(&s, first);
        ck_assert_uint_eq(dirty_pop(&s, false), 0);
        ck_assert_uint_eq(head_find(&s, &p), 0);
        ck_assert_uint_eq(s.n_heads, 0);
    }
    ck_assert_uint_eq(s.n_entries, 2);
    ck_assert_uint_le(sizeof(struct entry), 40);
    route_store_uninit(&s);
}
END_TEST

START_TEST(beyond_the_room_of_the_urgent_ones_changes_wait_as_others)
{
    struct route_table *t = route_table_create();
    uint32_t n = 0;

    for (uint8_t protocol = 1; protocol <= 5; protocol++) {
        for (int i = 0; i < URGENCY_BURST; i++) {
            change(t, n++, protocol, false, 1000);
        }
    }
    for (uint32_t i = 0; i < URGENT_MAX; i++) {
        expect(t, true, i, false);
    }
    expect_none(t, true);
    for (uint32_t i = URGENT_MAX; i < n; i++) {
        expect(t, false, i, false);
    }
    ck_assert_uint_eq(route_table_pending(t), 0);
    route_table_destroy(t);
}
END_TEST

/* What is told, with "!" before what is urgent. */

static struct vm_state *vm;

static void create_vm(void)
{
    struct port_pattern pattern;
    struct prober_config prober = PROBER_DEFAULTS;
    struct rtnl_msg m = {.kind = RTNL_LINK};

    ck_assert(port_pattern_parse("eth%", &pattern));
    vm = vm_state_create(&pattern, &prober);
    m.link = (struct rtnl_link){.ifindex = 2,
                                .mtu = 1500,
                                .admin_up = true,
                                .carrier = true,
                                .hwaddr = {{2, 0, 0, 0, 0, 2}}};
    str_copy(m.link.name, "eth1", sizeof m.link.name);
    vm_state_message(vm, &m, false, 1000);
}

static void tell_vm(uint32_t i, uint8_t protocol, bool del, int64_t now)
{
    struct rtnl_msg m = message(i, protocol, del);

    vm_state_message(vm, &m, false, now);
}

static void tell_vm6(uint8_t i, uint8_t protocol, bool del, int64_t now)
{
    struct rtnl_msg m = message(0, protocol, del);

    m.kind = RTNL_ROUTE6;
    ck_assert(prefix_parse("2001:db8::/48", &m.route.prefix));
    m.route.prefix.addr.bytes[5] = i;
    vm_state_message(vm, &m, false, now);
}

static const char *next_told(int64_t now)
{
    static struct buf text;
    struct buf records = {0};
    struct record r;

    buf_clear(&text);
    if (vm_state_put_next(vm, now, &records)) {
        struct cursor c = cursor_of(records.data, records.len);
        const char *error = record_get(&c, &r);
        ck_assert_msg(!error && !c.n, "%s", error);
        format_record(&r, &text);
        if (r.kind == REC_VM_ROUTE && r.urgent) {
            buf_put(&text, "!", 1);
        }
    }
    buf_uninit(&records);
    return buf_cstr(&text);
}

START_TEST(urgent_records_say_so_and_resync_ends_though_they_go_first)
{
    const int64_t then = 1001 + URGENCY_BURST; /* The stream has ended. */

    create_vm();
    for (uint32_t i = 0; i < URGENCY_BURST + 2; i++) {
        tell_vm(i, BGP, false, 1000);
    }
    vm_state_resync(vm);
    tell_vm(1, BGP, true, 1001); /* One of them, and ... */
    tell_vm(9000, OSPF, false, 1001);
    ck_assert_str_eq(next_told(1001), "BEGIN");
    ck_assert_str_eq(next_told(1001), "port 1 up");
    ck_assert_str_eq(next_told(1001), "route 20.35.40.0/24 1:10.0.1.2!");
    ck_assert_str_eq(next_told(1001), "route 20.0.0.0/24 1:10.0.1.2");
    tell_vm(0, BGP, true, then); /* ... one that was told already do not count. */
    ck_assert_str_eq(next_told(then), "-route 20.0.0.0/24!");
    for (uint32_t i = 2; i < URGENCY_BURST + 2; i++) {
        ck_assert(!strchr(next_told(then), '!'));
    }
    ck_assert_str_eq(next_told(then), "END");
    ck_assert_str_eq(next_told(then), "");
    ck_assert(!vm_state_pending(vm));
    vm_state_destroy(vm);
}
END_TEST

START_TEST(ipv6_removal_that_is_urgent_goes_before_others_but_not_before_its_return)
{
    int64_t now = 2000;

    create_vm();
    tell_vm6(1, OSPF, false, 1000);
    tell_vm6(2, OSPF, false, 1000);
    while (*next_told(1000)) {
    }
    tell_vm6(1, OSPF, true, now);
    tell_vm6(2, OSPF, true, now);
    ck_assert_str_eq(next_told(now), "");
    for (uint32_t i = 0; i < 2 * URGENCY_BURST; i++) {
        tell_vm(i, BGP, false, now);
    }
    tell_vm6(2, BGP, false, now); /* Returns as one of many. */
    for (uint32_t i = 0; i < URGENCY_BURST; i++) {
        ck_assert(strchr(next_told(now), '!'));
    }
    ck_assert_str_eq(next_told(now), "route 20.1.0.0/24 1:10.0.1.2");
    now += WITHDRAWAL_HOLD;
    ck_assert_str_eq(next_told(now), "-route 2001:db8:1::/48!");
    ck_assert_str_eq(next_told(now), "route 2001:db8:2::/48 1:10.0.1.2!");
    ck_assert_str_eq(next_told(now), "route 20.1.1.0/24 1:10.0.1.2");
    ck_assert_int_eq(vm_state_due(vm), INT64_MAX);
    vm_state_destroy(vm);
}
END_TEST

UNIT_MAIN("client/urgent", protocol_has_a_burst_of_urgent_changes_and_none_in_a_stream,
          change_of_a_quiet_protocol_goes_before_the_many_of_another,
          prefix_that_waits_and_becomes_urgent_is_told_once,
          heads_of_routes_that_are_gone_do_not_pile_up,
          beyond_the_room_of_the_urgent_ones_changes_wait_as_others,
          urgent_records_say_so_and_resync_ends_though_they_go_first,
          ipv6_removal_that_is_urgent_goes_before_others_but_not_before_its_return)
