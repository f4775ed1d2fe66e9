#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "of/print.h"
#include "of/put.h"
#include "pipeline.h"

static const struct pipeline_config ovs = {.max_meter = 200000,
                                           .nw_ttl = true,
                                           .watch = true,
                                           .local_table = true,
                                           .lengths = true,
                                           .punt_rate = 500};
static const struct pipeline_config plain = {.punt_rate = 500};

static struct eth_addr eth(const char *text)
{
    struct eth_addr a;

    ck_assert(eth_parse(text, &a));
    return a;
}

static struct ip_prefix prefix(const char *text)
{
    struct ip_prefix p;

    ck_assert(prefix_parse(text, &p));
    return p;
}

/* Renders an operation and appends it in words, a line each. */
static void print_op(const struct pipeline_config *config, const struct recon_op *op,
                     struct buf *text)
{
    struct buf msg = {0};

    pipeline_render(config, op, &msg);
    of_print(text, msg.data, msg.len);
    buf_put(text, "\n", 1);
    buf_uninit(&msg);
}

struct printer {
    const struct pipeline_config *config;
    struct buf text;
};

static void print_item(void *printer_, unsigned rank, struct recon_blob key,
                       struct recon_blob value)
{
    struct printer *printer = printer_;
    const struct recon_op op = {.action = RECON_ADD,
                                .what = RECON_AUX,
                                .serial = 1,
                                .aux = {.rank = rank, .key = key, .value = value}};

    buf_printf(&printer->text, "%u ", rank);
    print_op(printer->config, &op, &printer->text);
}

/* Compares with tests/vectors/pipeline/NAME.txt. */
static void expect(struct printer *printer, const char *name)
{
    char *path = xasprintf("%s/pipeline/%s.txt", TEST_VECTORS, name);
    char expected[8192];
    FILE *file = fopen(path, "r");

    ck_assert_msg(file != NULL, "no %s; it should be:\n%s", path,
                  buf_cstr(&printer->text));
    expected[fread(expected, 1, sizeof expected - 1, file)] = '\0';
    fclose(file);
    ck_assert_msg(!strcmp(buf_cstr(&printer->text), expected), "%s should be:\n%s",
                  path, buf_cstr(&printer->text));
    buf_uninit(&printer->text);
    free(path);
}

START_TEST(fixed_entries_are_lldp_ttl_and_misses)
{
    struct printer printer = {.config = &ovs};

    pipeline_fixed(&ovs, print_item, &printer);
    expect(&printer, "fixed");
}
END_TEST

START_TEST(a_switch_without_meters_and_ttl_gets_neither)
{
    struct printer printer = {.config = &plain};

    pipeline_fixed(&plain, print_item, &printer);
    const char *text = buf_cstr(&printer.text);
    ck_assert_msg(!strstr(text, "meter"), "%s", text);
    ck_assert_msg(!strstr(text, "ttl"), "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "CONTROLLER"));
    buf_uninit(&printer.text);
}
END_TEST

static void print_port(enum port_class class, struct printer *printer)
{
    const struct plane_port port = {
        .dp_port = 3, .class = class, .mac = eth("02:a0:00:00:00:03")};

    pipeline_port(printer->config, &port, print_item, printer);
}

START_TEST(edge_port_punts_control_protocols_by_its_own_meter)
{
    struct printer printer = {.config = &ovs};

    print_port(PORT_EDGE, &printer);
    expect(&printer, "edge");
}
END_TEST

START_TEST(own_address_is_punted_by_the_meter_of_the_port_it_is_reached_from)
{
    const struct plane_addr addr = {.addr = prefix("10.0.0.1/32").addr};
    struct pipeline_config two_tables = ovs;
    struct printer printer = {.config = &ovs};

    pipeline_addr(&ovs, &addr, print_item, &printer);
    ck_assert_msg(strstr(buf_cstr(&printer.text), "goto_table:2"), "%s",
                  buf_cstr(&printer.text));
    buf_clear(&printer.text);
    print_port(PORT_EDGE, &printer);
    ck_assert_msg(strstr(buf_cstr(&printer.text), "meter:32771,"), "%s",
                  buf_cstr(&printer.text));
    buf_clear(&printer.text);
    two_tables.local_table = false;
    printer.config = &two_tables;
    pipeline_fixed(&two_tables, print_item, &printer);
    pipeline_addr(&two_tables, &addr, print_item, &printer);
    print_port(PORT_EDGE, &printer);
    ck_assert_msg(strstr(buf_cstr(&printer.text), "meter:3,"), "%s",
                  buf_cstr(&printer.text));
    ck_assert_msg(!strstr(buf_cstr(&printer.text), "table=2") &&
                      !strstr(buf_cstr(&printer.text), "goto_table:2"),
                  "%s", buf_cstr(&printer.text));
    buf_uninit(&printer.text);
}
END_TEST

START_TEST(internal_port_drops_and_counts_the_virtual_plane)
{
    struct printer printer = {.config = &ovs};

    print_port(PORT_INTERNAL, &printer);
    expect(&printer, "internal");
}
END_TEST

static const struct plane_transit transit = {
    .src = {{2, 0xa0, 0, 0, 0, 3}}, .dst = {{2, 0xb0, 0, 0, 0, 1}}, .dp_port = 4};

START_TEST(inside_port_leads_to_the_transit_table_and_routes_nothing)
{
    struct printer printer = {.config = &ovs};

    print_port(PORT_INSIDE, &printer);
    pipeline_transit(&ovs, &transit, print_item, &printer);
    expect(&printer, "inside");
}
END_TEST

START_TEST(probing_port_only_admits_and_blocked_port_drops)
{
    struct printer printer = {.config = &ovs};

    print_port(PORT_PROBING, &printer);
    print_port(PORT_BLOCKED, &printer);
    expect(&printer, "probing-blocked");
}
END_TEST

START_TEST(ports_beyond_the_meters_share_one)
{
    const struct pipeline_config few = {.max_meter = 18, .punt_rate = 500};
    struct printer printer = {.config = &few};

    print_port(PORT_EDGE, &printer);
    const char *text = buf_cstr(&printer.text);
    ck_assert_msg(strstr(text, "meter:1,") && !strstr(text, "METER_MOD"), "%s", text);
    buf_uninit(&printer.text);
}
END_TEST

START_TEST(fib_entries_and_groups_render)
{
    struct recon_op op = {.action = RECON_ADD, .what = RECON_FIB, .serial = 7};
    struct fib_hop hops[2] = {{.dp_port = 2,
                               .weight = 1,
                               .src = eth("02:a0:00:00:00:02"),
                               .dst = eth("02:b0:00:00:00:01")},
                              {.dp_port = 3,
                               .weight = 5,
                               .src = eth("02:a0:00:00:00:03"),
                               .dst = eth("02:c0:00:00:00:01")}};
    struct printer printer = {.config = &ovs};

    op.fib.prefix = prefix("172.31.2.0/24");
    op.fib.target = (struct fib_target){.verdict = FIB_GROUP, .group = 9};
    print_op(&ovs, &op, &printer.text);
    op.fib.prefix = prefix("0.0.0.0/0");
    op.fib.target = (struct fib_target){.verdict = FIB_PUNT, .group = 0};
    print_op(&ovs, &op, &printer.text);
    op.fib.prefix = prefix("2001:db8::/32");
    op.fib.target = (struct fib_target){.verdict = FIB_DROP, .group = 0};
    print_op(&ovs, &op, &printer.text);
    op.action = RECON_DELETE;
    print_op(&ovs, &op, &printer.text);

    op = (struct recon_op){.action = RECON_ADD, .what = RECON_GROUP, .serial = 8};
    op.group.id = 9;
    op.group.hops = hops;
    print_op(&ovs, &op, &printer.text);
    op.group.n_hops = 1;
    op.action = RECON_MODIFY;
    print_op(&ovs, &op, &printer.text);
    op.group.n_hops = 2;
    print_op(&ovs, &op, &printer.text);
    hops[1].weight = 0;
    print_op(&ovs, &op, &printer.text);
    op.action = RECON_DELETE;
    print_op(&ovs, &op, &printer.text);
    expect(&printer, "fib");
}
END_TEST

START_TEST(cookie_tells_the_sort_whatever_the_portion)
{
    ck_assert_int_eq(pipeline_sort_of(UINT64_C(0x52465f0100000005)), PIPE_FIB);
    ck_assert_int_eq(pipeline_sort_of(UINT64_C(0x52465f010003ff05)), PIPE_FIB);
    ck_assert_int_eq(pipeline_sort_of(UINT64_C(0x52465f0100040005)), PIPE_FOREIGN);
    ck_assert_int_eq(pipeline_sort_of(UINT64_C(0x52465f0200000005)), PIPE_FOREIGN);
    ck_assert_int_eq(pipeline_sort_of(pipeline_cookie(PIPE_N_SORTS)), PIPE_FOREIGN);
}
END_TEST

START_TEST(cookies_are_those_of_all_sorts_and_then_of_all_portions)
{
    uint64_t cookie = 0;

    for (unsigned sort = PIPE_FOREIGN + 1; sort < PIPE_N_SORTS; sort++) {
        if (sort != PIPE_FIB) {
            cookie = pipeline_next_cookie(cookie);
            ck_assert_uint_eq(cookie, pipeline_cookie(sort));
        }
    }
    for (uint64_t portion = 0; portion < PIPELINE_PORTIONS; portion++) {
        cookie = pipeline_next_cookie(cookie);
        ck_assert_uint_eq(cookie, UINT64_C(0x52465f0100000005) + (portion << 8));
    }
    ck_assert_uint_eq(pipeline_next_cookie(cookie), 0);
}
END_TEST

START_TEST(portions_are_of_about_one_size)
{
    static unsigned n[PIPELINE_PORTIONS];

    for (uint32_t i = 0; i < 100 * PIPELINE_PORTIONS; i++) {
        const struct ip_prefix p = {.addr = ip_from_v4(0x0a000000 + (i << 8)),
                                    .plen = 24};
        n[pipeline_fib_cookie(&p) >> 8 & (PIPELINE_PORTIONS - 1)]++;
    }
    for (unsigned i = 0; i < PIPELINE_PORTIONS; i++) {
        ck_assert_msg(n[i] > 50 && n[i] < 200, "%u: %u", i, n[i]);
    }
}
END_TEST

START_TEST(longer_packets_than_the_mtu_of_the_group_go_to_the_vm)
{
    struct printer printer = {.config = &ovs};
    struct recon_op op = {.action = RECON_ADD, .what = RECON_FIB, .serial = 7};

    op.fib.prefix = prefix("172.31.2.0/24");
    op.fib.target = (struct fib_target){.verdict = FIB_GROUP, .group = 9, .mtu = 1400};
    print_op(&ovs, &op, &printer.text);
    pipeline_lengths(&ovs, print_item, &printer);
    pipeline_lengths(&plain, print_item, &printer);
    expect(&printer, "length");
}
END_TEST

START_TEST(groups_have_one_canonical_form)
{
    struct fib_group group = {
        .id = 1,
        .n_hops = 3,
        .hops = {{.dp_port = 3, .weight = 2}, {.dp_port = 1}, {.dp_port = 2}}};

    pipeline_canonical_group(&group);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(group.hops[i].dp_port, i + 1);
        ck_assert_uint_eq(group.hops[i].weight, i == 2 ? 2 : 1);
    }
    group.n_hops = 1;
    group.hops[0].weight = 17;
    pipeline_canonical_group(&group);
    ck_assert_uint_eq(group.hops[0].weight, 1);
}
END_TEST

START_TEST(alternate_stays_behind_its_hop)
{
    struct fib_group group = {
        .id = 1,
        .n_hops = 2,
        .hops = {{.dp_port = 3, .weight = 2}, {.dp_port = 1, .weight = 0}}};

    pipeline_canonical_group(&group);
    ck_assert_uint_eq(group.hops[0].dp_port, 3);
    ck_assert_uint_eq(group.hops[0].weight, 1);
    ck_assert(fib_hops_have_alternate(group.n_hops, group.hops));
}
END_TEST

/* Round trip: what a switch would report after an operation, fed back, must leave
 * nothing to do. */

static void report_flow(struct recon *recon, const struct of_flow_mod *fm)
{
    const struct of_flow_stats fs = {.table_id = fm->table_id,
                                     .priority = fm->priority,
                                     .cookie = fm->cookie,
                                     .match = fm->match,
                                     .inst = fm->inst};
    struct of_flow_stats again;
    enum of_err err = OF_OK;
    struct buf msg = {0};

    size_t ofs = of_put_multipart_reply(&msg, 1, OFPMP_FLOW, 0);
    of_put_flow_stats(&msg, &fs);
    of_put_multipart_end(&msg, ofs);
    struct cursor c = cursor_of(msg.data + 16, msg.len - 16);
    ck_assert(of_flow_stats_next(&c, &again, &err));
    pipeline_seen_flow(&ovs, recon, &again);
    buf_uninit(&msg);
}

static void report_message(struct recon *recon, const struct buf *bytes)
{
    static struct of_msg msg;

    ck_assert_int_eq(of_msg_decode(cursor_of(bytes->data, bytes->len), &msg), OF_OK);
    if (msg.h.type == OFPT_FLOW_MOD) {
        report_flow(recon, &msg.flow_mod);
    } else if (msg.h.type == OFPT_GROUP_MOD) {
        const struct of_group_desc desc = {.type = msg.group_mod.type,
                                           .group_id = msg.group_mod.group_id,
                                           .buckets = msg.group_mod.buckets};
        pipeline_seen_group(recon, &desc);
    } else {
        const struct of_meter_config config = {.flags = msg.meter_mod.flags,
                                               .meter_id = msg.meter_mod.meter_id,
                                               .bands = msg.meter_mod.bands};
        pipeline_seen_meter(recon, &config);
    }
}

static void desire(void *recon, unsigned rank, struct recon_blob key,
                   struct recon_blob value)
{
    recon_desire_aux(recon, rank, key, value);
}

static void desire_everything(struct recon *recon)
{
    static const char *const prefixes[] = {"0.0.0.0/0",     "10.0.0.0/8",
                                           "10.1.2.3/32",   "::/0",
                                           "2001:db8::/32", "2001:db8::1/128"};
    struct plane_addr addr;

    recon_begin(recon);
    pipeline_fixed(&ovs, desire, recon);
    pipeline_lengths(&ovs, desire, recon);
    for (uint32_t n = 1; n <= 4; n++) {
        const struct plane_port port = {.dp_port = n,
                                        .class = (enum port_class)(n - 1),
                                        .mac = eth("02:a0:00:00:00:03")};
        pipeline_port(&ovs, &port, desire, recon);
    }
    pipeline_port(&ovs, &(struct plane_port){.dp_port = 5, .class = PORT_INSIDE},
                  desire, recon);
    pipeline_transit(&ovs, &transit, desire, recon);
    ck_assert(ip_parse("10.0.0.1", &addr.addr));
    pipeline_addr(&ovs, &addr, desire, recon);
    ck_assert(ip_parse("fe80::1", &addr.addr));
    pipeline_addr(&ovs, &addr, desire, recon);
    recon_set_alternates(recon, true);
    for (uint32_t id = 1; id <= 4; id++) {
        struct fib_group group = {
            .id = id, .mtu = id == 2 ? 1400 : 0, .n_hops = (uint16_t)MIN(id - 1, 2)};
        for (unsigned i = 0; i < group.n_hops; i++) {
            group.hops[i] = (struct fib_hop){
                .dp_port = 9 - i, .weight = 3, .src = {{2}}, .dst = {{2, 1}}};
        }
        if (id == 4) {
            group.hops[1].weight = 0; /* An alternate. */
        }
        pipeline_canonical_group(&group);
        recon_desire_group(recon, &group);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        const struct fib_entry entry = {
            .prefix = prefix(prefixes[i]),
            .target = {.verdict = (uint8_t)(FIB_GROUP + i % 3), .group = 1 + i / 3}};
        recon_desire_fib(recon, &entry);
    }
    recon_end(recon);
}

/* Carries out all operations in a switch that is `reported` from then on. */
static unsigned carry_out(struct recon *recon, struct buf *reported, size_t *lens)
{
    struct recon_op op;
    unsigned n = 0;

    while (recon_next_op(recon, 0, &op)) {
        size_t before = reported->len;
        pipeline_render(&ovs, &op, reported);
        lens[n++] = reported->len - before;
        recon_barrier_sent(recon, n);
        recon_barrier_done(recon, n);
    }
    return n;
}

static void check_recognized(uint32_t share_limit)
{
    struct recon *recon = recon_create(100, 1000);
    struct buf reported = {0};
    size_t lens[128], ofs = 0;

    recon_set_share_limit(recon, share_limit);
    recon_set_mtus(recon, true);
    recon_audit_begin(recon);
    recon_audit_end(recon);
    desire_everything(recon);
    const unsigned n = carry_out(recon, &reported, lens);
    ck_assert_uint_gt(n, 40);
    ck_assert(recon_in_sync(recon));

    recon_disconnected(recon);
    recon_audit_begin(recon);
    for (unsigned i = 0; i < n; i++) {
        struct buf one = {.data = reported.data + ofs, .len = lens[i]};
        report_message(recon, &one);
        ofs += lens[i];
    }
    ck_assert_uint_eq(recon_audit_end(recon), 0);
    struct recon_op op;
    if (recon_next_op(recon, 0, &op)) {
        struct buf text = {0};
        print_op(&ovs, &op, &text);
        ck_abort_msg("not recognized: %s", buf_cstr(&text));
    }
    ck_assert(recon_in_sync(recon));
    buf_uninit(&reported);
    recon_destroy(recon);
}

START_TEST(what_was_rendered_is_recognized_again)
{
    check_recognized(0);
}
END_TEST

/* Two of the six FIB entries send to one group. */
START_TEST(shares_of_groups_are_recognized_again)
{
    struct recon *recon = recon_create(100, 1000);
    struct fib_group group = {.id = 9};
    struct recon_op op;
    struct buf text = {0};

    check_recognized(1);
    recon_set_share_limit(recon, 1);
    recon_audit_begin(recon);
    recon_audit_end(recon);
    recon_desire_group(recon, &group);
    for (uint32_t i = 0; i < 2; i++) {
        const struct fib_entry e = {.prefix = prefix(i ? "10.0.0.0/8" : "11.0.0.0/8"),
                                    .target = {.verdict = FIB_GROUP, .group = 9}};
        recon_desire_fib(recon, &e);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert(recon_next_op(recon, 0, &op));
        ck_assert_int_eq(op.what, i % 2 ? RECON_FIB : RECON_GROUP);
        if (i >= 2) {
            print_op(&ovs, &op, &text);
        }
    }
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text),
                                 "ADD group_id=2148532233,type=indirect,"
                                 "bucket=actions=group:2147483657"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "actions=group:2148532233"));
    ck_assert(!recon_next_op(recon, 0, &op));
    buf_uninit(&text);
    recon_destroy(recon);
}
END_TEST

START_TEST(foreign_entries_are_passed_over_and_altered_ones_repaired)
{
    struct recon *recon = recon_create(100, 1000);
    struct of_flow_mod fm;
    struct recon_op op;

    recon_begin(recon);
    recon_end(recon);
    recon_audit_begin(recon);
    of_flow_mod_init(&fm, OFPFC_ADD, 1, 0x100 + 24);
    fm.cookie = 0x1234;
    report_flow(recon, &fm);
    pipeline_seen_group(recon, &(struct of_group_desc){.group_id = 5});
    pipeline_seen_meter(recon, &(struct of_meter_config){.meter_id = 0x20000});
    /* Of our cookie, but with a match that no prefix has. */
    fm.cookie = pipeline_cookie(PIPE_FIB);
    of_match_set_in_port(&fm.match, 4);
    report_flow(recon, &fm);
    recon_audit_end(recon);

    ck_assert(recon_next_op(recon, 0, &op));
    ck_assert_int_eq(op.action, RECON_DELETE);
    struct printer printer = {.config = &ovs};
    print_op(&ovs, &op, &printer.text);
    expect(&printer, "stray");
    ck_assert(!recon_next_op(recon, 0, &op));
    recon_destroy(recon);
}
END_TEST

START_TEST(fib_entries_with_another_cookie_are_written_again)
{
    const struct fib_entry e = {.prefix = prefix("10.0.0.0/8"),
                                .target = {.verdict = FIB_DROP}};
    const uint64_t right = pipeline_fib_cookie(&e.prefix);
    const uint64_t seen[] = {right, right ^ 0x100, right | 0x40000,
                             pipeline_cookie(PIPE_TTL)};

    for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
        struct recon *recon = recon_create(100, 1000);
        struct printer printer = {.config = &ovs};
        struct of_flow_mod fm;
        struct recon_op op;

        of_flow_mod_init(&fm, OFPFC_ADD, PIPELINE_FIB, PIPELINE_FIB_PRIORITY + 8);
        fm.cookie = seen[i];
        of_match_set_eth_type(&fm.match, 0x0800);
        of_match_set_ip_dst(&fm.match, &e.prefix);
        recon_desire_fib(recon, &e);
        recon_audit_begin(recon);
        report_flow(recon, &fm);
        recon_audit_end(recon);
        ck_assert_int_eq(recon_next_op(recon, 0, &op), i > 0);
        if (i > 0) {
            char *cookie = xasprintf("cookie=0x%llx ", (unsigned long long)right);
            ck_assert_int_eq(op.action, RECON_MODIFY);
            print_op(&ovs, &op, &printer.text);
            const char *text = buf_cstr(&printer.text);
            ck_assert_msg(strstr(text, ": ADD ") && strstr(text, cookie), "%s", text);
            free(cookie);
        }
        buf_uninit(&printer.text);
        recon_destroy(recon);
    }
}
END_TEST

UNIT_MAIN("rfproxy/pipeline", fixed_entries_are_lldp_ttl_and_misses,
          a_switch_without_meters_and_ttl_gets_neither,
          edge_port_punts_control_protocols_by_its_own_meter,
          internal_port_drops_and_counts_the_virtual_plane,
          inside_port_leads_to_the_transit_table_and_routes_nothing,
          probing_port_only_admits_and_blocked_port_drops,
          own_address_is_punted_by_the_meter_of_the_port_it_is_reached_from,
          ports_beyond_the_meters_share_one, fib_entries_and_groups_render,
          cookie_tells_the_sort_whatever_the_portion,
          cookies_are_those_of_all_sorts_and_then_of_all_portions,
          portions_are_of_about_one_size, alternate_stays_behind_its_hop,
          fib_entries_with_another_cookie_are_written_again,
          longer_packets_than_the_mtu_of_the_group_go_to_the_vm,
          groups_have_one_canonical_form, what_was_rendered_is_recognized_again,
          shares_of_groups_are_recognized_again,
          foreign_entries_are_passed_over_and_altered_ones_repaired)
