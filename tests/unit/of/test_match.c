#include "unit.h"

#include "of/action.h"
#include "of/match.h"
#include "of/of13.h"

static struct ip_prefix prefix(const char *text)
{
    struct ip_prefix p;
    ck_assert(prefix_parse(text, &p));
    return p;
}

static void expect_print(const struct of_match *m, const char *want)
{
    struct buf b = {0};
    of_match_print(&b, m);
    ck_assert_str_eq(buf_cstr(&b), want);
    buf_uninit(&b);
}

START_TEST(setters_keep_a_match_canonical)
{
    struct of_match a = {0}, b = {0};
    struct ip_prefix with_host_bits = prefix("10.1.2.3/8"),
                     clean = prefix("10.0.0.0/8");

    of_match_set_ip_dst(&a, &with_host_bits);
    of_match_set_ip_dst(&b, &clean);
    ck_assert(of_match_equal(&a, &b));
    ck_assert_uint_eq(of_match_hash(&a), of_match_hash(&b));
    ck_assert_uint_eq(a.ipv4_dst, 0x0a000000);
    ck_assert_uint_eq(a.ipv4_dst_mask, 0xff000000);

    of_match_set_metadata(&a, 5, UINT64_MAX);
    ck_assert(!(a.masked & OF_BIT(OF_F_METADATA)));
    of_match_set_metadata(&a, 5, 0);
    ck_assert(!of_match_has(&a, OF_F_METADATA));
    ck_assert(of_match_equal(&a, &b));
}
END_TEST

START_TEST(a_prefix_of_length_0_matches_the_family_alone)
{
    struct of_match m = {0};
    struct ip_prefix v4 = prefix("0.0.0.0/0"), v6 = prefix("::/0");

    of_match_set_ip_dst(&m, &v4);
    expect_print(&m, "ip");
    m = (struct of_match){0};
    of_match_set_ip_dst(&m, &v6);
    expect_print(&m, "ipv6");
}
END_TEST

START_TEST(a_host_prefix_is_exact)
{
    struct of_match m = {0};
    struct ip_prefix v4 = prefix("10.0.0.1/32"), v6 = prefix("2001:db8::1/128");

    of_match_set_ip_dst(&m, &v4);
    ck_assert_uint_eq(m.masked, 0);
    m = (struct of_match){0};
    of_match_set_ip_dst(&m, &v6);
    ck_assert_uint_eq(m.masked, 0);
}
END_TEST

START_TEST(matches_differ_in_value_mask_fields_and_unknown_fields)
{
    struct of_match a = {0}, b;
    struct ip_prefix p8 = prefix("10.0.0.0/8"), p9 = prefix("10.0.0.0/9"),
                     other = prefix("11.0.0.0/8");

    of_match_set_ip_dst(&a, &p8);
    b = a;
    of_match_set_ip_dst(&b, &p9);
    ck_assert(!of_match_equal(&a, &b));
    of_match_set_ip_dst(&b, &other);
    ck_assert(!of_match_equal(&a, &b));
    b = a;
    of_match_set_in_port(&b, 1);
    ck_assert(!of_match_equal(&a, &b));
    b = a;
    ck_assert(of_match_equal(&a, &b));
    b.unknown = 1;
    ck_assert(!of_match_equal(&a, &b));
    ck_assert(!of_match_equal(&b, &b));
}
END_TEST

START_TEST(members_that_do_not_count_do_not_matter)
{
    struct of_match a = {0}, b = {0};

    of_match_set_eth_type(&a, 0x88cc);
    of_match_set_eth_type(&b, 0x88cc);
    b.in_port = 7;
    b.ipv4_dst = 8;
    ck_assert(of_match_equal(&a, &b));
    ck_assert_uint_eq(of_match_hash(&a), of_match_hash(&b));
}
END_TEST

START_TEST(setters_set_the_prerequisites_that_are_certain)
{
    struct of_match m = {0};
    struct ip_prefix p = prefix("10.0.0.0/8");
    uint8_t target[16] = {0xfe, 0x80};

    of_match_set_ip_src(&m, &p);
    of_match_set_tcp_dst(&m, 179);
    ck_assert(of_match_prereqs_ok(&m));
    m = (struct of_match){0};
    of_match_set_arp_tpa(&m, 1);
    ck_assert(of_match_prereqs_ok(&m));
    m = (struct of_match){0};
    of_match_set_icmpv6_type(&m, 135);
    of_match_set_nd_target(&m, target);
    ck_assert(of_match_prereqs_ok(&m));
}
END_TEST

START_TEST(missing_prerequisites_are_seen)
{
    struct of_match m = {0};
    uint8_t target[16] = {0xfe, 0x80};

    of_match_set_udp_dst(&m, 3784);
    ck_assert(!of_match_prereqs_ok(&m));
    of_match_set_eth_type(&m, 0x0800);
    ck_assert(of_match_prereqs_ok(&m));
    m = (struct of_match){0};
    of_match_set_nw_ttl(&m, 1);
    ck_assert(!of_match_prereqs_ok(&m));
    m = (struct of_match){0};
    of_match_set_nd_target(&m, target);
    ck_assert(!of_match_prereqs_ok(&m));
    m = (struct of_match){0};
    of_match_set_arp_op(&m, 1);
    of_match_set_eth_type(&m, 0x86dd);
    ck_assert(!of_match_prereqs_ok(&m));
}
END_TEST

/* The longest match and list that there are stay within what encoders reserve. */
START_TEST(the_longest_match_and_instructions_fit_their_bounds)
{
    struct of_match m;
    struct of_instructions i;
    struct buf b = {0};

    memset(&m, 0x5a, sizeof m);
    m.fields = OF_BIT(OF_N_FIELDS) - 1;
    m.masked = OF_BIT(OF_F_METADATA) | OF_BIT(OF_F_ETH_DST) | OF_BIT(OF_F_ETH_SRC) |
               OF_BIT(OF_F_VLAN_VID) | OF_BIT(OF_F_IPV4_SRC) | OF_BIT(OF_F_IPV4_DST) |
               OF_BIT(OF_F_ARP_SPA) | OF_BIT(OF_F_ARP_TPA) | OF_BIT(OF_F_IPV6_SRC) |
               OF_BIT(OF_F_IPV6_DST);
    of_match_put(&b, &m);
    ck_assert_uint_le(b.len, OF_MATCH_MAX_LEN);

    buf_clear(&b);
    of_instructions_init(&i);
    i.present = OF_I_GOTO_TABLE | OF_I_METADATA | OF_I_METER | OF_I_CLEAR;
    i.goto_table = 1;
    i.meter_id = 1;
    i.metadata = i.metadata_mask = 1;
    for (size_t k = 0; k < OF_ACTIONS_MAX; k++) {
        of_actions_output(of_instructions_apply(&i), 1);
        of_actions_set_vlan_vid(of_instructions_write(&i), 1);
    }
    of_instructions_put(&b, &i);
    ck_assert_uint_le(b.len, OF_INSTRUCTIONS_MAX_LEN);
    buf_uninit(&b);
}
END_TEST

START_TEST(a_match_covers_what_is_more_specific_and_nothing_else)
{
    struct of_match any = {0}, wide = {0}, narrow = {0}, other = {0}, packet = {0};
    struct ip_prefix p8 = prefix("10.0.0.0/8"), p24 = prefix("10.1.2.0/24"),
                     q24 = prefix("11.1.2.0/24"), host = prefix("10.1.2.3/32");

    of_match_set_ip_dst(&wide, &p8);
    of_match_set_ip_dst(&narrow, &p24);
    of_match_set_ip_dst(&other, &q24);
    of_match_set_ip_dst(&packet, &host);
    of_match_set_in_port(&packet, 3);
    ck_assert(of_match_covers(&any, &any));
    ck_assert(of_match_covers(&any, &wide));
    ck_assert(!of_match_covers(&wide, &any));
    ck_assert(of_match_covers(&wide, &narrow));
    ck_assert(!of_match_covers(&narrow, &wide));
    ck_assert(!of_match_covers(&wide, &other));
    ck_assert(of_match_covers(&narrow, &narrow));
    ck_assert(of_match_covers(&narrow, &packet));
    ck_assert(!of_match_covers(&other, &packet));
    of_match_set_in_port(&narrow, 4);
    ck_assert(!of_match_covers(&narrow, &packet));
    any.unknown = 1;
    ck_assert(!of_match_covers(&any, &packet));
}
END_TEST

START_TEST(instructions_differ_where_switches_behave_differently)
{
    struct of_instructions a, b;

    of_instructions_init(&a);
    of_instructions_init(&b);
    of_instructions_apply(&b); /* Empty: the same as none. */
    ck_assert(of_instructions_equal(&a, &b));
    of_actions_output(of_instructions_apply(&a), 1);
    ck_assert(!of_instructions_equal(&a, &b));
    of_actions_output(of_instructions_apply(&b), 1);
    b.apply.a[0].output.max_len = 128; /* Means something for CONTROLLER only. */
    ck_assert(of_instructions_equal(&a, &b));
    of_instructions_meter(&a, 1);
    ck_assert(!of_instructions_equal(&a, &b));
    of_instructions_meter(&b, 2);
    ck_assert(!of_instructions_equal(&a, &b));
    b.meter_id = 1;
    ck_assert(of_instructions_equal(&a, &b));
    a.present |= OF_I_UNKNOWN;
    b.present |= OF_I_UNKNOWN;
    ck_assert(!of_instructions_equal(&a, &b));
}
END_TEST

START_TEST(action_lists_differ_in_order_kind_and_argument)
{
    struct of_actions a, b;

    of_actions_init(&a);
    of_actions_init(&b);
    of_actions_dec_nw_ttl(&a);
    of_actions_output(&a, 1);
    of_actions_output(&b, 1);
    of_actions_dec_nw_ttl(&b);
    ck_assert(!of_actions_equal(&a, &b));
    of_actions_init(&b);
    of_actions_dec_nw_ttl(&b);
    of_actions_group(&b, 1);
    ck_assert(!of_actions_equal(&a, &b));
    b.n = 1;
    of_actions_output(&b, 2);
    ck_assert(!of_actions_equal(&a, &b));
    b.n = 1;
    of_actions_output(&b, 1);
    ck_assert(of_actions_equal(&a, &b));
    b.truncated = true;
    ck_assert(!of_actions_equal(&a, &b));
}
END_TEST

UNIT_MAIN("of/match", setters_keep_a_match_canonical,
          a_prefix_of_length_0_matches_the_family_alone, a_host_prefix_is_exact,
          matches_differ_in_value_mask_fields_and_unknown_fields,
          members_that_do_not_count_do_not_matter,
          setters_set_the_prerequisites_that_are_certain,
          missing_prerequisites_are_seen,
          a_match_covers_what_is_more_specific_and_nothing_else,
          the_longest_match_and_instructions_fit_their_bounds,
          instructions_differ_where_switches_behave_differently,
          action_lists_differ_in_order_kind_and_argument)
