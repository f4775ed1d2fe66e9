#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "core/plan.h"
#include "dice.h"

#define HEADER "vm_id,vm_port,ct_id,dp_id,dp_port\n"
#define ROOM 64

/* A network, told in words. */
struct net {
    struct mapping mapping;
    struct topo_port_info ports[ROOM];
    struct topo_link links[ROOM];
    struct plan_client clients[ROOM];
    struct vm_key interfaces[ROOM];
    struct plan_addr addrs[ROOM];
    struct plan_route routes[ROOM];
    struct plan_input in;
};

static struct dp_key dp_of(uint64_t dp_id, uint32_t port)
{
    return (struct dp_key){.dp_id = dp_id, .dp_port = port};
}

static struct plan_pool pool_of(const char *text, uint8_t plen)
{
    struct plan_pool pool;

    ck_assert_msg(plan_pool_parse(text, plen, 8, 32, &pool), "%s", text);
    return pool;
}

static void net_init(struct net *n, const char *rows)
{
    struct buf faults = {.len = 0}, text = {.len = 0};

    *n = (struct net){.in = {.pools = {.links = pool_of("10.128.0.0/16", 30),
                                       .hosts = pool_of("172.24.0.0/16", 24),
                                       .loopbacks = pool_of("192.168.128.0/24", 32)},
                             .mapping = &n->mapping,
                             .ports = n->ports,
                             .links = n->links,
                             .clients = n->clients,
                             .interfaces = n->interfaces,
                             .addrs = n->addrs,
                             .routes = n->routes}};
    buf_printf(&text, HEADER "%s", rows);
    const struct mapping_file file = {"a.csv", text.data, text.len};
    ck_assert_msg(mapping_parse(&file, NULL, &n->mapping, &faults), "%s",
                  buf_cstr(&faults));
    buf_uninit(&text);
    buf_uninit(&faults);
}

static void net_uninit(struct net *n)
{
    mapping_uninit(&n->mapping);
}

static struct topo_port_info *port(struct net *n, uint64_t dp_id, uint32_t number,
                                   enum port_class class)
{
    struct topo_port_info *p = &n->ports[n->in.n_ports++];

    *p = (struct topo_port_info){.port = dp_of(dp_id, number), .class = class};
    return p;
}

static void edge(struct net *n, uint64_t dp_id, uint32_t number)
{
    port(n, dp_id, number, PORT_EDGE);
}

static void cable(struct net *n, uint64_t a, uint32_t a_port, uint64_t b,
                  uint32_t b_port)
{
    port(n, a, a_port, PORT_INTERNAL);
    port(n, b, b_port, PORT_INTERNAL);
    n->links[n->in.n_links++] =
        (struct topo_link){dp_of(a, a_port), dp_of(b, b_port), true, true, 0, 0};
}

static void client(struct net *n, uint64_t vm_id, const char *name)
{
    struct plan_client *c = &n->clients[n->in.n_clients++];

    c->vm_id = vm_id;
    str_copy(c->name, name, sizeof c->name);
}

/* ethN of a container, with an address or without (NULL). */
static void interface(struct net *n, uint64_t vm_id, uint32_t number, const char *addr)
{
    const struct vm_key vm = {vm_id, number};

    n->interfaces[n->in.n_interfaces++] = vm;
    if (addr) {
        n->addrs[n->in.n_addrs++] = (struct plan_addr){vm, prefix(addr)};
    }
}

static void route(struct net *n, uint64_t vm_id, const char *text)
{
    n->routes[n->in.n_routes++] = (struct plan_route){vm_id, prefix(text)};
}

/* "+rfa3 060000030000 192.168.128.1" for a router that is created, "=rfvm1 …" for one
 * that is extended, then a line for each port, with what is new of it. */
static void put_plan(const struct plan *plan, struct buf *out)
{
    char text[IP_PREFIX_STRLEN];

    for (size_t i = 0; i < plan->n_routers; i++) {
        const struct plan_router *r = &plan->routers[i];
        buf_printf(out, "%c%s %012" PRIx64 " %s\n", r->create ? '+' : '=', r->name,
                   r->vm_id, r->create ? ip_format(&r->router_id, text) : "-");
        for (size_t k = r->first; k < r->first + r->n; k++) {
            const struct plan_port *p = &plan->ports[k];
            ck_assert_uint_eq(p->vm.vm_id, r->vm_id);
            buf_printf(out, " %u=%" PRIx64 "/%u ", p->vm.vm_port, p->dp.dp_id,
                       p->dp.dp_port);
            if (p->is_link) {
                buf_printf(out, "to %" PRIx64 "/%u ", p->peer.dp_id, p->peer.dp_port);
            }
            buf_printf(out, "%s%s%s%s\n", prefix_format(&p->addr, text),
                       p->new_row ? " row" : "", p->new_interface ? " interface" : "",
                       p->new_addr ? " address" : "");
        }
    }
    buf_printf(out, "%s", plan->notes.len ? (const char *)plan->notes.data : "");
}

static void check_plan(const struct net *n, const char *expected)
{
    struct buf text = {.len = 0}, faults = {.len = 0};
    struct plan plan;

    ck_assert_msg(plan_make(&n->in, &plan, &faults), "%s", buf_cstr(&faults));
    if (plan.notes.len) {
        buf_cstr(&plan.notes); /* Terminated. */
    }
    put_plan(&plan, &text);
    ck_assert_msg(!strcmp(buf_cstr(&text), expected), "got\n%sexpected\n%s",
                  buf_cstr(&text), expected);
    plan_uninit(&plan);
    buf_uninit(&text);
    buf_uninit(&faults);
}

START_TEST(network_whose_ports_all_have_rows_gives_an_empty_plan)
{
    struct net n;

    net_init(&n, "020000010000,1,0,1,1\n020000010000,2,0,1,2\n020000020000,1,0,2,1\n");
    edge(&n, 1, 1);
    cable(&n, 1, 2, 2, 1);
    client(&n, 0x020000010000, "rfvm1");
    client(&n, 0x020000020000, "rfvm2");
    interface(&n, 0x020000010000, 2, "10.0.1.1/30");
    interface(&n, 0x020000020000, 1, "10.0.1.2/30");
    check_plan(&n, "");
    net_uninit(&n);
    net_init(&n, "");
    check_plan(&n, "");
    net_uninit(&n);
}
END_TEST

/* rfvm1 - switch 1 - switch 3, with a host, is what most tests begin with. */
static void one_new_switch(struct net *n)
{
    net_init(n, "020000010000,1,0,1,1\n");
    client(n, 0x020000010000, "rfvm1");
    interface(n, 0x020000010000, 1, "172.16.1.1/24");
    edge(n, 1, 1);
    cable(n, 1, 2, 3, 1);
    edge(n, 3, 2);
}

#define ONE_NEW_SWITCH                                    \
    "=rfvm1 020000010000 -\n"                             \
    " 2=1/2 to 3/1 10.128.0.1/30 row interface address\n" \
    "+rfa3 060000030000 192.168.128.1\n"                  \
    " 1=3/1 to 1/2 10.128.0.2/30 row interface address\n" \
    " 2=3/2 172.24.0.1/24 row interface address\n"

START_TEST(new_switch_gets_a_router_and_its_neighbour_an_interface)
{
    struct net n;

    one_new_switch(&n);
    check_plan(&n, ONE_NEW_SWITCH);
    net_uninit(&n);
}
END_TEST

START_TEST(several_new_switches_and_parallel_links_are_planned_at_once)
{
    struct net n;

    net_init(&n, "");
    cable(&n, 0xb, 1, 0xa, 1);
    cable(&n, 0xa, 2, 0xb, 2);
    cable(&n, 0xc, 7, 0xa, 3);
    n.in.pools.links = pool_of("10.128.0.0/16:31", 30);
    check_plan(&n, "+rfaa 0600000a0000 192.168.128.1\n"
                   " 1=a/1 to b/1 10.128.0.0/31 row interface address\n"
                   " 2=a/2 to b/2 10.128.0.2/31 row interface address\n"
                   " 3=a/3 to c/7 10.128.0.4/31 row interface address\n"
                   "+rfab 0600000b0000 192.168.128.2\n"
                   " 1=b/1 to a/1 10.128.0.1/31 row interface address\n"
                   " 2=b/2 to a/2 10.128.0.3/31 row interface address\n"
                   "+rfac 0600000c0000 192.168.128.3\n"
                   " 7=c/7 to a/3 10.128.0.5/31 row interface address\n");
    net_uninit(&n);
}
END_TEST

static void shuffle(struct dice *dice, void *base, size_t n, size_t size)
{
    char *items = base, tmp[256];

    for (size_t i = n; i > 1; i--) {
        const size_t k = roll(dice, (uint32_t)i);
        memcpy(tmp, items + (i - 1) * size, size);
        memcpy(items + (i - 1) * size, items + k * size, size);
        memcpy(items + k * size, tmp, size);
    }
}

START_TEST(same_network_in_any_order_gives_the_same_plan)
{
    struct dice dice = {.state = 7};

    for (int round = 0; round < 200; round++) {
        struct net n;
        one_new_switch(&n);
        route(&n, 0x020000010000, "10.129.0.0/24");
        for (size_t i = 0; i < n.in.n_links; i++) { /* Either end first. */
            if (roll(&dice, 2)) {
                struct dp_key a = n.links[i].a;
                n.links[i].a = n.links[i].b;
                n.links[i].b = a;
            }
        }
        shuffle(&dice, n.ports, n.in.n_ports, sizeof *n.ports);
        shuffle(&dice, n.links, n.in.n_links, sizeof *n.links);
        shuffle(&dice, n.addrs, n.in.n_addrs, sizeof *n.addrs);
        check_plan(&n, ONE_NEW_SWITCH);
        net_uninit(&n);
    }
}
END_TEST

START_TEST(what_any_vm_has_or_routes_is_not_given_again)
{
    struct net n;

    one_new_switch(&n);
    interface(&n, 0x020000090000, 1, "10.128.0.5/22"); /* All of 10.128.0-3. */
    route(&n, 0x020000090000, "10.128.4.4/30");
    route(&n, 0x020000090000, "10.128.4.0/32");
    route(&n, 0x020000090000, "172.24.0.0/23");
    route(&n, 0x020000090000, "192.168.128.1/32");
    route(&n, 0x020000090000, "192.168.128.3/32");
    route(&n, 0x020000090000, "0.0.0.0/0"); /* These contain a pool: no matter. */
    route(&n, 0x020000090000, "172.16.0.0/12");
    check_plan(&n, "=rfvm1 020000010000 -\n"
                   " 2=1/2 to 3/1 10.128.4.9/30 row interface address\n"
                   "+rfa3 060000030000 192.168.128.2\n"
                   " 1=3/1 to 1/2 10.128.4.10/30 row interface address\n"
                   " 2=3/2 172.24.2.1/24 row interface address\n");
    net_uninit(&n);
}
END_TEST

START_TEST(an_address_at_the_other_end_of_a_link_decides_its_network)
{
    struct net n;

    net_init(&n, "020000010000,5,0,1,2\n");
    client(&n, 0x020000010000, "rfvm1");
    interface(&n, 0x020000010000, 5, "10.0.7.2/29");
    interface(&n, 0x020000090000, 1, "10.0.7.1/29");
    cable(&n, 1, 2, 3, 1);
    check_plan(&n, "+rfa3 060000030000 192.168.128.1\n"
                   " 1=3/1 to 1/2 10.0.7.3/29 row interface address\n");
    net_uninit(&n);
}
END_TEST

START_TEST(a_full_network_at_the_other_end_is_left_for_a_new_one)
{
    struct net n;

    net_init(&n, "020000010000,5,0,1,2\n");
    client(&n, 0x020000010000, "rfvm1");
    interface(&n, 0x020000010000, 5, "10.0.7.0/31");
    interface(&n, 0x020000090000, 1, "10.0.7.1/31");
    cable(&n, 1, 2, 3, 1);
    check_plan(&n, "=rfvm1 020000010000 -\n"
                   " 5=1/2 to 3/1 10.128.0.1/30 address\n"
                   "+rfa3 060000030000 192.168.128.1\n"
                   " 1=3/1 to 1/2 10.128.0.2/30 row interface address\n");
    net_uninit(&n);
}
END_TEST

START_TEST(interface_that_is_there_without_a_row_is_used_for_its_number)
{
    struct net n;

    net_init(&n, "020000010000,1,0,1,1\n020000010000,3,0,1,9\n");
    client(&n, 0x020000010000, "rfvm1");
    interface(&n, 0x020000010000, 2, "10.0.2.1/30");
    interface(&n, 0x020000010000, 4, NULL);
    cable(&n, 1, 2, 4, 1);
    cable(&n, 1, 3, 4, 2); /* eth3 is taken, eth4 may be meant for port 4: eth5. */
    check_plan(&n, "=rfvm1 020000010000 -\n"
                   " 2=1/2 to 4/1 10.0.2.1/30 row\n"
                   " 5=1/3 to 4/2 10.128.0.1/30 row interface address\n"
                   "+rfa4 060000040000 192.168.128.1\n"
                   " 1=4/1 to 1/2 10.0.2.2/30 row interface address\n"
                   " 2=4/2 to 1/3 10.128.0.2/30 row interface address\n");
    net_uninit(&n);
}
END_TEST

START_TEST(port_numbers_too_large_for_a_vm_get_the_lowest_free_one)
{
    struct net n;

    net_init(&n, "");
    edge(&n, 3, 70000);
    edge(&n, 3, 65279);
    edge(&n, 3, 1);
    check_plan(&n, "+rfa3 060000030000 192.168.128.1\n"
                   " 1=3/1 172.24.0.1/24 row interface address\n"
                   " 65279=3/65279 172.24.1.1/24 row interface address\n"
                   " 2=3/70000 172.24.2.1/24 row interface address\n");
    net_uninit(&n);
}
END_TEST

START_TEST(datapaths_that_end_alike_get_different_vm_ids)
{
    struct net n;

    net_init(&n, "060000050000,1,0,99,1\n");
    client(&n, 0x060000050000, "rfa5");
    edge(&n, 0x1000004, 1);
    edge(&n, 0x4, 1);
    edge(&n, 0x2000000, 1);
    check_plan(&n, "+rfa1 060000010000 192.168.128.1\n"
                   " 1=2000000/1 172.24.2.1/24 row interface address\n"
                   "+rfa4 060000040000 192.168.128.2\n"
                   " 1=4/1 172.24.0.1/24 row interface address\n"
                   "+rfa6 060000060000 192.168.128.3\n"
                   " 1=1000004/1 172.24.1.1/24 row interface address\n");
    net_uninit(&n);
}
END_TEST

START_TEST(edge_ports_of_a_mapped_switch_are_left_alone_unless_a_plan_made_its_router)
{
    struct net n;

    net_init(&n, "020000010000,1,0,1,1\n060000030000,1,0,3,1\n");
    client(&n, 0x020000010000, "rfvm1");
    client(&n, 0x060000030000, "rfa3");
    edge(&n, 1, 2);
    edge(&n, 3, 2);
    check_plan(&n, "=rfa3 060000030000 -\n"
                   " 2=3/2 172.24.0.1/24 row interface address\n");
    net_uninit(&n);
}
END_TEST

START_TEST(what_cannot_be_planned_is_noted)
{
    struct net n;

    net_init(&n, "020000010000,1,0,1,1\n");
    port(&n, 3, 1, PORT_PROBING);
    port(&n, 3, 2, PORT_INTERNAL);
    port(&n, 3, 3, PORT_INTERNAL)->multi_access = true;
    cable(&n, 1, 2, 3, 4); /* rfvm1 is not connected. */
    check_plan(
        &n,
        "datapath 0x0000000000000001 port 2: left out: datapath 0x0000000000000001 "
        "port 2 has a router whose client is not connected\n"
        "datapath 0x0000000000000003 port 1: left out as yet: LLDP has not had its "
        "chance there\n"
        "datapath 0x0000000000000003 port 2: left out: no link is confirmed where LLDP "
        "was heard\n"
        "datapath 0x0000000000000003 port 3: left out: it is on a segment with several "
        "switches\n");
    net_uninit(&n);
}
END_TEST

START_TEST(one_way_links_and_loops_are_no_links)
{
    struct net n;

    net_init(&n, "");
    port(&n, 3, 1, PORT_INTERNAL);
    n.links[n.in.n_links++] =
        (struct topo_link){dp_of(3, 1), dp_of(3, 1), true, true, 0, 0};
    port(&n, 4, 1, PORT_INTERNAL);
    n.links[n.in.n_links++] =
        (struct topo_link){dp_of(4, 1), dp_of(5, 1), true, false, 0, 0};
    check_plan(&n, "datapath 0x0000000000000003 port 1: left out: no link is confirmed "
                   "where LLDP was heard\n"
                   "datapath 0x0000000000000004 port 1: left out: no link is confirmed "
                   "where LLDP was heard\n");
    net_uninit(&n);
}
END_TEST

START_TEST(switch_that_left_is_in_no_plan_and_its_rows_stay_taken)
{
    struct net n;

    /* Switch 3 had been mapped by a plan; its ports are gone, its client lost. */
    net_init(&n, "060000030000,1,0,3,1\n060000030000,2,0,3,2\n");
    interface(&n, 0x060000030000, 2, "172.24.0.1/24");
    edge(&n, 0x1000003, 1);
    check_plan(&n, "+rfa4 060000040000 192.168.128.1\n"
                   " 1=1000003/1 172.24.1.1/24 row interface address\n");
    net_uninit(&n);
    /* It had not been mapped: nothing is left of it. */
    net_init(&n, "");
    check_plan(&n, "");
    net_uninit(&n);
}
END_TEST

START_TEST(container_left_over_from_a_plan_taken_back_does_not_change_the_next)
{
    struct net n;

    one_new_switch(&n);
    client(&n, 0x060000030000, "rfa3");
    interface(&n, 0x060000030000, 1, "10.128.0.2/30");
    interface(&n, 0x060000030000, 2, "172.24.0.1/24");
    route(&n, 0x060000030000, "10.128.0.0/30");
    route(&n, 0x060000030000, "172.24.0.0/24");
    check_plan(&n, ONE_NEW_SWITCH);
    net_uninit(&n);
}
END_TEST

START_TEST(pools_that_are_used_up_are_all_named)
{
    struct buf faults = {.len = 0};
    struct plan plan = {.n_ports = 77};
    struct net n;

    net_init(&n, "");
    n.in.pools = (struct plan_pools){.links = pool_of("10.128.0.0/29", 30),
                                     .hosts = pool_of("172.24.0.0/24", 24),
                                     .loopbacks = pool_of("192.168.128.0/31", 32)};
    for (uint32_t i = 1; i <= 3; i++) {
        cable(&n, 1, i, 2, i);
    }
    edge(&n, 1, 4);
    edge(&n, 2, 4);
    ck_assert(!plan_make(&n.in, &plan, &faults));
    ck_assert_uint_eq(plan.n_ports, 77);
    ck_assert_str_eq(buf_cstr(&faults),
                     "option mapping-auto-links: 10.128.0.0/29:30: used up, 1 networks "
                     "more are needed: give a larger prefix, or another\n"
                     "option mapping-auto-hosts: 172.24.0.0/24:24: used up, 1 networks "
                     "more are needed: give a larger prefix, or another\n");
    buf_uninit(&faults);
    net_uninit(&n);

    net_init(&n, "");
    n.in.pools.loopbacks = pool_of("192.168.128.0/30", 32); /* .1 and .2 */
    for (uint64_t dp_id = 1; dp_id <= 3; dp_id++) {
        edge(&n, dp_id, 1);
    }
    ck_assert(!plan_make(&n.in, &plan, &faults));
    ck_assert_str_eq(buf_cstr(&faults),
                     "option mapping-auto-loopbacks: 192.168.128.0/30:32: used up, 1 "
                     "addresses more are needed: give a larger prefix, or another\n");
    buf_uninit(&faults);
    net_uninit(&n);
}
END_TEST

START_TEST(pools_are_parsed_with_care)
{
    static const char *const bad[] = {"",
                                      "10.0.0.0",
                                      "10.0.0.1/24",
                                      "fd00::/64",
                                      "10.0.0.0/24:7",
                                      "10.0.0.0/24:33",
                                      "10.0.0.0/24:",
                                      "10.0.0.0/24:30x",
                                      "10.0.0.0/31",
                                      "10.0.0.0/24:32"};
    struct plan_pool pool = {.plen = 99};
    char text[PLAN_POOL_STRLEN];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_msg(!plan_pool_parse(bad[i], 30, 8, 31, &pool), "%s", bad[i]);
    }
    ck_assert_uint_eq(pool.plen, 99);
    ck_assert(plan_pool_parse("10.0.0.0/8", 30, 8, 31, &pool));
    ck_assert_str_eq(plan_pool_format(&pool, text), "10.0.0.0/8:30");
    ck_assert(plan_pool_parse("10.0.0.0/31:31", 30, 8, 31, &pool));
    ck_assert_str_eq(plan_pool_format(&pool, text), "10.0.0.0/31:31");

    struct plan_pools pools = {pool_of("10.0.0.0/8", 30), pool_of("172.24.0.0/16", 24),
                               pool_of("192.168.0.0/24", 32)};
    ck_assert(plan_pools_are_apart(&pools));
    pools.hosts = pool_of("10.9.0.0/16", 24);
    ck_assert(!plan_pools_are_apart(&pools));
}
END_TEST

START_TEST(a_plan_as_rows_fits_the_mapping)
{
    struct buf rows = {.len = 0}, faults = {.len = 0}, out = {.len = 0};
    const char *file = HEADER "020000010000,1,0,1,1\n";
    struct mapping mapping;
    struct plan plan;
    struct net n;

    one_new_switch(&n);
    ck_assert(plan_make(&n.in, &plan, &faults));
    plan_rows_format(&plan, &rows);
    ck_assert_str_eq(buf_cstr(&rows), "# rfvm1, by rfctl plan\n"
                                      "020000010000,2,0,1,2\n"
                                      "# rfa3, by rfctl plan\n"
                                      "060000030000,1,0,3,1\n"
                                      "060000030000,2,0,3,2\n");
    ck_assert_uint_eq(plan_count_rows(&plan), 3);
    plan_rows_append(file, strlen(file), buf_cstr(&rows), &out);
    const struct mapping_file csv = {"a.csv", out.data, out.len};
    ck_assert_msg(mapping_parse(&csv, NULL, &mapping, &faults), "%s",
                  buf_cstr(&faults));
    ck_assert_uint_eq(mapping.n_rows, 4);
    mapping_uninit(&mapping);
    plan_uninit(&plan);
    buf_uninit(&rows);
    buf_uninit(&out);
    net_uninit(&n);
}
END_TEST

UNIT_MAIN("core/plan", network_whose_ports_all_have_rows_gives_an_empty_plan,
          new_switch_gets_a_router_and_its_neighbour_an_interface,
          several_new_switches_and_parallel_links_are_planned_at_once,
          same_network_in_any_order_gives_the_same_plan,
          what_any_vm_has_or_routes_is_not_given_again,
          an_address_at_the_other_end_of_a_link_decides_its_network,
          a_full_network_at_the_other_end_is_left_for_a_new_one,
          interface_that_is_there_without_a_row_is_used_for_its_number,
          port_numbers_too_large_for_a_vm_get_the_lowest_free_one,
          datapaths_that_end_alike_get_different_vm_ids,
          edge_ports_of_a_mapped_switch_are_left_alone_unless_a_plan_made_its_router,
          what_cannot_be_planned_is_noted, one_way_links_and_loops_are_no_links,
          switch_that_left_is_in_no_plan_and_its_rows_stay_taken,
          container_left_over_from_a_plan_taken_back_does_not_change_the_next,
          pools_that_are_used_up_are_all_named, pools_are_parsed_with_care,
          a_plan_as_rows_fits_the_mapping)
