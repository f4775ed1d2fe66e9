#include "unit.h"

#include <malloc.h>
#include <stdio.h>

#include "recon_setup.h"

/* `n` prefixes of 24 bits from `first` on, in no order. */
static void want_many(struct recon *r, const char *first, uint32_t n)
{
    struct fib_entry e = {.prefix = prefix(first), .target = {.verdict = FIB_PUNT}};
    const uint32_t base = ip_to_v4(e.prefix.addr);

    for (uint32_t i = 0; i < n; i++) {
        e.prefix.addr = ip_from_v4(base + ((i * 7919 % n) << 8));
        ck_assert(recon_desire_fib(r, &e));
    }
}

/* And what is to be added next are these, in order. */
static void expect_many(struct recon *r, const char *first, uint32_t n)
{
    const struct ip_prefix p = prefix(first);
    struct recon_op op;

    for (uint32_t i = 0; i < n; i++) {
        ck_assert(recon_next_op(r, 0, &op));
        ck_assert_int_eq(op.action, RECON_ADD);
        ck_assert_int_eq(op.what, RECON_FIB);
        ck_assert_uint_eq(ip_to_v4(op.fib.prefix.addr), ip_to_v4(p.addr) + (i << 8));
    }
}

START_TEST(many_that_wait_go_in_the_order_of_their_addresses)
{
    struct recon *r = make_known();
    struct recon_op op;

    recon_begin(r);
    want_many(r, "20.0.0.0/24", 10000);
    recon_end(r);
    expect_many(r, "20.0.0.0/24", 10000);
    ck_assert(!recon_next_op(r, 0, &op));
    confirm(r);
    /* And so they do after the switch was lost and is empty. */
    recon_disconnected(r);
    recon_audit_begin(r);
    recon_audit_end(r);
    expect_many(r, "20.0.0.0/24", 10000);
    ck_assert(!recon_next_op(r, 0, &op));
    confirm(r);
    ck_assert(recon_in_sync(r));
    recon_destroy(r);
}
END_TEST

START_TEST(deletion_waits_for_the_additions_before_it_and_for_no_others)
{
    struct recon *r = make_known();
    const struct ip_prefix gone = prefix("10.0.0.0/24");
    struct recon_op op;

    recon_begin(r);
    want_many(r, "10.0.0.0/24", 1);
    recon_end(r);
    expect_many(r, "10.0.0.0/24", 1);
    confirm(r);
    want_many(r, "20.0.0.0/24", 3000);
    recon_remove_fib(r, &gone);
    ck_assert(recon_next_op(r, 0, &op)); /* So few that wait are in no order. */
    want_many(r, "15.0.0.0/24", 10000);
    for (int i = 1; i < 3000; i++) {
        ck_assert(recon_next_op(r, 0, &op));
        ck_assert_uint_eq(op.fib.prefix.addr.bytes[0], 20);
    }
    ck_assert(recon_next_op(r, 0, &op));
    ck_assert_int_eq(op.action, RECON_DELETE);
    ck_assert(prefix_equal(&op.fib.prefix, &gone));
    expect_many(r, "15.0.0.0/24", 10000);
    ck_assert(!recon_next_op(r, 0, &op));
    recon_destroy(r);
}
END_TEST

START_TEST(a_million_entries_take_under_40_octets_each)
{
    struct mallinfo2 before = mallinfo2();
    struct recon *r = make_known();
    struct recon_op op;
    uint32_t n = 0, xid = 0;

    recon_begin(r);
    want_group(r, 1, 1);
    for (uint32_t i = 0; i < 1000000; i++) {
        struct fib_entry e = {.prefix = {.addr = ip_from_v4(i << 8), .plen = 24},
                              .target = {.verdict = FIB_GROUP, .group = 1}};
        MUST(recon_desire_fib(r, &e));
    }
    recon_end(r);
    while (recon_next_op(r, 0, &op)) {
        if (++n % 10000 == 0) {
            recon_barrier_sent(r, ++xid);
            ck_assert(xid < 5 || recon_barrier_done(r, xid - 4));
        }
    }
    ck_assert_uint_eq(n, 1000001);
    recon_barrier_sent(r, ++xid);
    ck_assert(recon_barrier_done(r, xid));
    ck_assert(recon_in_sync(r));
    struct mallinfo2 after = mallinfo2();
    double held = (double)(after.uordblks + after.hblkhd) -
                  (double)(before.uordblks + before.hblkhd);
    printf("recon: %.1f octets per IPv4 entry, %.1f by the allocator\n",
           (double)recon_memory(r) / 1e6, held / 1e6);
    ck_assert(recon_memory(r) > 16000000 && recon_memory(r) < 40000000);
    ck_assert(held < 40e6);
    recon_destroy(r);
}
END_TEST

UNIT_MAIN("core/recon_many", many_that_wait_go_in_the_order_of_their_addresses,
          deletion_waits_for_the_additions_before_it_and_for_no_others,
          a_million_entries_take_under_40_octets_each)
