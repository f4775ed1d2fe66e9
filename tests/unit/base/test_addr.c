#include "unit.h"

#include <string.h>

#include "base/addr.h"

START_TEST(prefix_canonicalize_clears_host_bits)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"10.1.2.3/8", "10.0.0.0/8"},
        {"10.1.2.3/32", "10.1.2.3/32"},
        {"255.255.255.255/0", "0.0.0.0/0"},
        {"192.168.255.1/23", "192.168.254.0/23"},
        {"2001:db8:ffff::1/33", "2001:db8:8000::/33"},
        {"fe80::1/128", "fe80::1/128"},
        {"ffff::/0", "::/0"},
        {"2001:db8:0:1::/64", "2001:db8:0:1::/64"},
        {"2001:db8:0:1::1/64", "2001:db8:0:1::/64"},
        {"2001:db8:0:1:ffff::/65", "2001:db8:0:1:8000::/65"},
        {"2001:db8:0:1:ffff::ffff/127", "2001:db8:0:1:ffff::fffe/127"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ip_prefix p;
        char text[IP_PREFIX_STRLEN];
        ck_assert(prefix_parse(cases[i].in, &p));
        ck_assert_int_eq(prefix_is_canonical(&p), !strcmp(cases[i].in, cases[i].out));
        prefix_canonicalize(&p);
        ck_assert(prefix_is_canonical(&p));
        ck_assert_str_eq(prefix_format(&p, text), cases[i].out);
    }
}
END_TEST

START_TEST(prefix_contains_only_its_own_family_and_range)
{
    struct ip_prefix net;
    struct ip_addr a;

    ck_assert(prefix_parse("172.31.1.0/24", &net));
    ck_assert(ip_parse("172.31.1.255", &a));
    ck_assert(prefix_contains(&net, &a));
    ck_assert(ip_parse("172.31.2.0", &a));
    ck_assert(!prefix_contains(&net, &a));
    ck_assert(prefix_parse("0.0.0.0/0", &net));
    ck_assert(prefix_contains(&net, &a));
    ck_assert(ip_parse("::1", &a));
    ck_assert(!prefix_contains(&net, &a));
}
END_TEST

START_TEST(malformed_addresses_are_refused_and_output_untouched)
{
    static const char *const bad_prefix[] = {"",           "10.0.0.0",    "10.0.0.0/33",
                                             "10.0.0/8",   "10.0.0.0/",   "10.0.0.0/-1",
                                             "::/129",     "10.0.0.0/8 ", "x/8",
                                             "10.0.0.0/+8"};
    static const char *const bad_eth[] = {"", "02:a0:a0:a0:a0", "02:a0:a0:a0:a0:a0:a0",
                                          "02-a0-a0-a0-a0-a0", "02:a0:a0:a0:a0:zz"};
    static const char *const bad_id[] = {"", "0x", "zz", "-1", "10000000000000000"};
    struct ip_prefix p = {.plen = 77};
    struct eth_addr e = {{1, 2, 3, 4, 5, 6}};
    uint64_t id = 5;

    for (size_t i = 0; i < ARRAY_SIZE(bad_prefix); i++) {
        ck_assert_msg(!prefix_parse(bad_prefix[i], &p), "%s", bad_prefix[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad_eth); i++) {
        ck_assert_msg(!eth_parse(bad_eth[i], &e), "%s", bad_eth[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad_id); i++) {
        ck_assert_msg(!id_parse(bad_id[i], &id), "%s", bad_id[i]);
    }
    ck_assert_int_eq(p.plen, 77);
    ck_assert_int_eq(e.ea[5], 6);
    ck_assert_uint_eq(id, 5);
}
END_TEST

START_TEST(ids_print_as_0x_and_16_digits)
{
    char text[ID_STRLEN];
    uint64_t id;

    ck_assert(id_parse("99", &id));
    ck_assert_str_eq(id_format(id, text), "0x0000000000000099");
    ck_assert(id_parse("0x7266767300000001", &id));
    ck_assert(dpid_is_virtual(id));
    ck_assert(!dpid_is_virtual(5));
}
END_TEST

UNIT_MAIN("base/addr", prefix_canonicalize_clears_host_bits,
          prefix_contains_only_its_own_family_and_range,
          malformed_addresses_are_refused_and_output_untouched,
          ids_print_as_0x_and_16_digits)
