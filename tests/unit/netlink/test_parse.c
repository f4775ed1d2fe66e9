/* Messages captured from a real kernel (tests/vectors/netlink/messages.txt: a comment
 * that says what was done, the message in hex, its meaning), and what a broken one
 * must not do. */

#include "unit.h"

#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "netlink/rtnl.h"

#define VECTORS TEST_VECTORS "/netlink/messages.txt"
#define MAX_MESSAGE 4096

struct vector {
    char comment[256];
    uint8_t bytes[MAX_MESSAGE] __attribute__((aligned(4)));
    size_t n;
    char meaning[512];
};

static size_t unhex(const char *s, uint8_t *out, size_t max)
{
    size_t n = 0;
    unsigned byte;

    while (n < max && sscanf(s, "%2x", &byte) == 1) {
        out[n++] = (uint8_t)byte;
        s += 2;
    }
    return n;
}

/* Calls fn for each vector; returns how many there were. */
static int for_each_vector(void (*fn)(struct vector *))
{
    FILE *f = fopen(VECTORS, "r");
    static char line[2 * MAX_MESSAGE + 2];
    struct vector v = {.n = 0};
    int n = 0;

    ck_assert_msg(f, "cannot open %s", VECTORS);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            str_copy(v.comment, line, sizeof v.comment);
        } else if (line[0] && !v.n) {
            v.n = unhex(line, v.bytes, sizeof v.bytes);
        } else if (line[0]) {
            str_copy(v.meaning, line, sizeof v.meaning);
            fn(&v);
            v.n = 0;
            n++;
        }
    }
    fclose(f);
    return n;
}

/* All messages of a datagram, joined by "; ". */
static const char *meaning_of(const uint8_t *bytes, size_t n, struct buf *b)
{
    struct cursor datagram = cursor_of(bytes, n), msg;

    while (rtnl_next(&datagram, &msg)) {
        struct rtnl_msg m;
        if (b->len) {
            buf_printf(b, "; ");
        }
        switch (rtnl_parse(msg.p, msg.n, &m)) {
        case RTNL_OK:
            rtnl_format(&m, b);
            break;
        case RTNL_IGNORE:
            buf_printf(b, "ignored");
            break;
        case RTNL_MALFORMED:
            buf_printf(b, "malformed");
            break;
        }
    }
    if (datagram.n) {
        buf_printf(b, "; %zu bytes left", datagram.n);
    }
    return buf_cstr(b);
}

static void check_meaning(struct vector *v)
{
    struct buf b = {0};

    meaning_of(v->bytes, v->n, &b);
    if (getenv("PRINT_VECTORS")) {
        printf("%s\n", v->comment);
        for (size_t i = 0; i < v->n; i++) {
            printf("%02x", v->bytes[i]);
        }
        printf("\n%s\n\n", buf_cstr(&b));
    } else {
        ck_assert_msg(!strcmp(buf_cstr(&b), v->meaning),
                      "%s\n is       %s\n should be %s", v->comment, buf_cstr(&b),
                      v->meaning);
    }
    buf_uninit(&b);
}

START_TEST(captured_messages_mean_what_the_kernel_did)
{
    ck_assert_int_ge(for_each_vector(check_meaning), 40);
}
END_TEST

/* The message cut at every length, in memory of exactly that size, so that a sanitizer
 * or valgrind sees any read beyond. */
static void check_truncated(struct vector *v)
{
    for (size_t n = 0; n < v->n; n++) {
        struct rtnl_msg m;
        uint8_t *copy = xmalloc(n ? n : 1);
        memcpy(copy, v->bytes, n);
        enum rtnl_result as_is = rtnl_parse(copy, n, &m);
        ck_assert_msg(as_is == RTNL_MALFORMED ||
                          n >= ((struct nlmsghdr *)v->bytes)->nlmsg_len,
                      "%s: cut to %zu bytes it is taken", v->comment, n);
        /* And with a header that says so. */
        if (n >= sizeof(struct nlmsghdr)) {
            uint32_t len = (uint32_t)n;
            memcpy(copy, &len, sizeof len);
            rtnl_parse(copy, n, &m);
        }
        free(copy);
    }
}

START_TEST(truncated_messages_are_refused_without_reading_beyond)
{
    for_each_vector(check_truncated);
}
END_TEST

static uint64_t random_state = 88172645463325252u;

static uint32_t random_u32(void) /* xorshift64 */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

static unsigned n_parsed;

static void check_invariants(const struct rtnl_msg *m)
{
    if (m->kind & RTNL_ROUTES) {
        const struct rtnl_route *r = &m->route;
        struct ip_prefix canonical = r->prefix;
        prefix_canonicalize(&canonical);
        ck_assert(prefix_equal(&canonical, &r->prefix));
        ck_assert_uint_le(r->n_hops, VM_MAX_HOPS);
        ck_assert_uint_le(r->prefix.plen, ip_width(r->prefix.addr.version));
        for (unsigned i = 1; i < r->n_hops; i++) {
            ck_assert_int_lt(rtnl_hop_compare(&r->hops[i - 1], &r->hops[i]), 0);
        }
        ck_assert(r->kind == VM_ROUTE_UNICAST || !r->n_hops);
    } else if (m->kind == RTNL_LINK) {
        ck_assert(memchr(m->link.name, 0, sizeof m->link.name) != NULL);
    } else if (m->kind == RTNL_ADDR) {
        ck_assert_uint_le(m->addr.addr.plen, ip_width(m->addr.addr.addr.version));
    }
}

static void check_mutated(struct vector *v)
{
    for (int round = 0; round < 2000; round++) {
        uint8_t *copy = xmalloc(v->n);
        struct cursor datagram = cursor_of(copy, v->n), msg;
        memcpy(copy, v->bytes, v->n);
        for (unsigned n = 1 + random_u32() % 4; n; n--) {
            copy[random_u32() % v->n] = (uint8_t)random_u32();
        }
        while (rtnl_next(&datagram, &msg)) {
            struct rtnl_msg m;
            if (rtnl_parse(msg.p, msg.n, &m) == RTNL_OK) {
                struct buf b = {0};
                check_invariants(&m);
                rtnl_format(&m, &b);
                buf_uninit(&b);
                n_parsed++;
            }
        }
        free(copy);
    }
}

START_TEST(mutated_messages_never_break_the_invariants_of_values)
{
    for_each_vector(check_mutated);
    ck_assert_uint_gt(n_parsed, 10000);
}
END_TEST

/* Messages made by hand. */

static void put_attr(struct buf *b, uint16_t type, const void *data, uint16_t n)
{
    struct rtattr rta = {.rta_len = (uint16_t)(sizeof rta + n), .rta_type = type};

    buf_put(b, &rta, sizeof rta);
    buf_put(b, data, n);
    buf_put_zeros(b, -n & 3u);
}

static void begin_route(struct buf *b, uint8_t plen)
{
    struct nlmsghdr h = {.nlmsg_type = RTM_NEWROUTE};
    struct rtmsg rtm = {.rtm_family = AF_INET,
                        .rtm_dst_len = plen,
                        .rtm_table = RT_TABLE_MAIN,
                        .rtm_type = RTN_UNICAST};

    buf_put(b, &h, sizeof h);
    buf_put(b, &rtm, sizeof rtm);
}

static enum rtnl_result parse_and_free(struct buf *b, struct rtnl_msg *m)
{
    uint32_t len = (uint32_t)b->len;

    memcpy(b->data, &len, sizeof len);
    enum rtnl_result result = rtnl_parse(b->data, b->len, m);
    buf_uninit(b);
    return result;
}

static void put_nexthop(struct buf *b, int ifindex, uint8_t flags, uint8_t hops)
{
    struct rtnexthop rtnh = {.rtnh_len = sizeof rtnh,
                             .rtnh_ifindex = ifindex,
                             .rtnh_flags = flags,
                             .rtnh_hops = hops};
    buf_put(b, &rtnh, sizeof rtnh);
}

START_TEST(dead_next_hops_are_left_out)
{
    struct buf b = {0}, hops = {0};
    struct rtnl_msg m;

    put_nexthop(&hops, 4, 0, 9);
    put_nexthop(&hops, 3, RTNH_F_DEAD, 0);
    put_nexthop(&hops, 2, RTNH_F_LINKDOWN, 0);
    put_nexthop(&hops, 1, RTNH_F_ONLINK, 0);
    begin_route(&b, 8);
    put_attr(&b, RTA_DST, "\x0a\0\0", 4);
    put_attr(&b, RTA_MULTIPATH, hops.data, (uint16_t)hops.len);
    ck_assert_int_eq(parse_and_free(&b, &m), RTNL_OK);
    ck_assert_uint_eq(m.route.n_hops, 3);
    ck_assert_uint_eq(m.route.hops[0].ifindex, 1);
    ck_assert_uint_eq(m.route.hops[1].ifindex, 2);
    ck_assert_uint_eq(m.route.hops[2].ifindex, 4);
    ck_assert_uint_eq(m.route.hops[2].weight, 10);
    buf_uninit(&hops);
}
END_TEST

START_TEST(more_hops_than_a_route_holds_are_cut)
{
    struct buf b = {0}, hops = {0};
    struct rtnl_msg m;

    for (int i = 0; i < 2 * VM_MAX_HOPS; i++) {
        put_nexthop(&hops, 1 + i, 0, 255);
    }
    begin_route(&b, 8);
    put_attr(&b, RTA_DST, "\x0a\0\0", 4);
    put_attr(&b, RTA_MULTIPATH, hops.data, (uint16_t)hops.len);
    ck_assert_int_eq(parse_and_free(&b, &m), RTNL_OK);
    ck_assert_uint_eq(m.route.n_hops, VM_MAX_HOPS);
    ck_assert_uint_eq(m.route.hops[0].weight, 256);
    buf_uninit(&hops);
}
END_TEST

START_TEST(attributes_of_a_wrong_size_are_malformed)
{
    static const struct {
        uint16_t type, len;
        uint8_t plen;
    } bad[] = {
        {RTA_DST, 3, 8},      {RTA_DST, 16, 8},  {RTA_DST, 4, 33},
        {RTA_DST, 5, 8},      {RTA_OIF, 3, 0},   {RTA_GATEWAY, 16, 0},
        {RTA_GATEWAY, 0, 0},  {RTA_VIA, 5, 0},   {RTA_VIA, 6, 0},
        {RTA_PRIORITY, 2, 0}, {RTA_TABLE, 0, 0}, {RTA_PREFSRC, 0, 24},
    };
    static const uint8_t data[32] = {10, 1, 1, 1};
    struct rtnl_msg m = {.kind = 77};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct buf b = {0};
        begin_route(&b, bad[i].plen);
        put_attr(&b, bad[i].type, data, bad[i].len);
        ck_assert_msg(parse_and_free(&b, &m) == RTNL_MALFORMED, "case %zu", i);
    }
    ck_assert_int_eq(m.kind, 77);
}
END_TEST

START_TEST(attribute_and_next_hop_lengths_that_do_not_fit_are_malformed)
{
    static const uint16_t lengths[] = {0, 1, 3, 9, 200, 0xffff};

    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        struct buf b = {0}, hops = {0};
        struct rtattr rta = {.rta_len = lengths[i], .rta_type = RTA_OIF};
        struct rtnl_msg m;

        begin_route(&b, 0);
        buf_put(&b, &rta, sizeof rta);
        buf_put_zeros(&b, 4);
        ck_assert_int_eq(parse_and_free(&b, &m), RTNL_MALFORMED);

        put_nexthop(&hops, 1, 0, 0);
        memcpy(hops.data, &lengths[i], sizeof lengths[i]);
        begin_route(&b, 0);
        put_attr(&b, RTA_MULTIPATH, hops.data, (uint16_t)hops.len);
        ck_assert_int_eq(parse_and_free(&b, &m), RTNL_MALFORMED);
        buf_uninit(&hops);
    }
}
END_TEST

START_TEST(lengths_of_messages_that_do_not_fit_end_the_datagram)
{
    static const uint32_t lengths[] = {0, 15, 17, 0xffffffff};

    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        struct nlmsghdr h = {.nlmsg_len = lengths[i]};
        struct cursor c = cursor_of(&h, sizeof h), msg;
        ck_assert(!rtnl_next(&c, &msg));
        ck_assert_uint_eq(c.n, sizeof h);
    }
}
END_TEST

UNIT_MAIN("netlink/parse", captured_messages_mean_what_the_kernel_did,
          truncated_messages_are_refused_without_reading_beyond,
          mutated_messages_never_break_the_invariants_of_values,
          dead_next_hops_are_left_out, more_hops_than_a_route_holds_are_cut,
          attributes_of_a_wrong_size_are_malformed,
          attribute_and_next_hop_lengths_that_do_not_fit_are_malformed,
          lengths_of_messages_that_do_not_fit_end_the_datagram)
