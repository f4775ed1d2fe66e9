/* What is urgent goes before what waits, in the RIB and in the reconciliation, and
 * nothing else changes. */

#include "unit.h"

#include "core/recon.h"
#include "rib_text.h"

static struct ip_prefix nth(uint32_t i)
{
    return (struct ip_prefix){.addr = ip_from_v4(0x14000000 + (i << 8)), .plen = 24};
}

/* RIB. */

static void route_is(struct rib *rib, uint32_t i, const char *gateway)
{
    struct vm_route r = {.prefix = nth(i), .kind = VM_ROUTE_UNICAST, .n_hops = 1};

    r.hops[0] = hop(1, gateway);
    MUST(rib_route_set(rib, &r));
}

static void hurry(struct rib *rib, uint32_t i)
{
    struct ip_prefix p = nth(i);

    rib_hurry(rib, &p);
}

static void remove_route(struct rib *rib, uint32_t i)
{
    struct ip_prefix p = nth(i);

    rib_route_del(rib, &p);
}

static void expect_fib(struct rib *rib, uint32_t i, bool removed, bool urgent)
{
    struct ip_prefix p = nth(i);
    struct plane_change c;

    do { /* Groups come first. */
        MUST(rib_next_change(rib, &c));
    } while (c.kind == PLANE_GROUP);
    MUST(c.kind == PLANE_FIB);
    MUST_MSG(prefix_equal(&c.fib.prefix, &p), "%08x is next, not number %u",
             ip_to_v4(c.fib.prefix.addr), i);
    MUST(c.remove == removed && c.urgent == urgent);
}

static struct rib *make_routed(uint32_t n)
{
    static struct plane_peer peer;
    struct rib *rib = make_rib(&peer);

    add_neigh(rib, 1, "10.0.0.2", 0xb2);
    peer_drain(&peer, rib, INT_MAX);
    for (uint32_t i = 0; i < n; i++) {
        route_is(rib, i, "10.0.0.2");
    }
    return rib;
}

START_TEST(urgent_change_is_yielded_before_the_others_which_keep_their_order)
{
    struct rib *rib = make_routed(1000);
    struct plane_change c;

    expect_fib(rib, 0, false, false);
    route_is(rib, 5000, "10.0.0.3"); /* Of another group. */
    hurry(rib, 5000);
    hurry(rib, 700);
    hurry(rib, 0);    /* Nothing is due of it. */
    hurry(rib, 7000); /* There is none. */
    remove_route(rib, 1);
    hurry(rib, 1); /* Was never told: it is none. */
    expect_fib(rib, 5000, false, true);
    expect_fib(rib, 700, false, true);
    expect_fib(rib, 2, false, false);
    remove_route(rib, 0);
    hurry(rib, 0);
    expect_fib(rib, 0, true, true);
    for (uint32_t i = 3; i < 1000; i++) {
        if (i != 700) {
            expect_fib(rib, i, false, false);
        }
    }
    MUST(!rib_next_change(rib, &c));
    MUST(!rib_pending(rib));
    rib_destroy(rib);
}
END_TEST

START_TEST(change_that_waited_for_its_neighbour_is_still_urgent_then)
{
    struct rib *rib = make_routed(3);

    for (uint32_t i = 0; i < 3; i++) {
        expect_fib(rib, i, false, false);
    }
    route_is(rib, 2, "10.0.0.9"); /* Nobody answers there: the older way is kept. */
    hurry(rib, 2);
    for (uint32_t i = 10; i < 20; i++) {
        route_is(rib, i, "10.0.0.2");
    }
    expect_fib(rib, 10, false, false);
    add_neigh(rib, 1, "10.0.0.9", 0xb9);
    struct plane_change c;
    struct ip_prefix host = prefix("10.0.0.9/32"), two = nth(2);
    do {
        MUST(rib_next_change(rib, &c));
    } while (c.kind == PLANE_GROUP);
    MUST(c.urgent && (prefix_equal(&c.fib.prefix, &host)));
    MUST(rib_next_change(rib, &c));
    MUST(c.kind == PLANE_FIB && c.urgent && prefix_equal(&c.fib.prefix, &two));
    expect_fib(rib, 11, false, false);
    rib_destroy(rib);
}
END_TEST

/* Reconciliation. */

static void want(struct recon *r, uint32_t i, uint32_t group)
{
    struct fib_entry e = {
        .prefix = nth(i),
        .target = {.verdict = group ? FIB_GROUP : FIB_PUNT, .group = group}};

    MUST(recon_desire_fib(r, &e));
}

static void want_not(struct recon *r, uint32_t i)
{
    struct ip_prefix p = nth(i);

    recon_remove_fib(r, &p);
}

static void hurry_fib(struct recon *r, uint32_t i)
{
    struct ip_prefix p = nth(i);

    recon_hurry_fib(r, &p);
}

static void want_group(struct recon *r, uint32_t id)
{
    struct fib_group g = {.id = id, .n_hops = 1, .hops = {{.dp_port = 1, .weight = 1}}};

    MUST(recon_desire_group(r, &g));
}

static bool last_urgent; /* The operation that expect_op() met last. */

static void expect_op(struct recon *r, enum recon_action action, uint32_t i)
{
    struct ip_prefix p = nth(i);
    struct recon_op op;

    const bool urgent = recon_has_urgent(r);
    MUST(recon_next_op(r, 0, &op));
    MUST(op.what == RECON_FIB && (urgent || !op.urgent));
    last_urgent = op.urgent;
    MUST_MSG(prefix_equal(&op.fib.prefix, &p) && op.action == action,
             "action %d of %08x is next, not %d of number %u", op.action,
             ip_to_v4(op.fib.prefix.addr), action, i);
}

static void expect_group(struct recon *r, uint32_t id)
{
    struct recon_op op;

    MUST(recon_next_op(r, 0, &op));
    MUST(op.what == RECON_GROUP && op.group.id == id);
}

static void confirm(struct recon *r)
{
    recon_barrier_sent(r, 1);
    MUST(recon_barrier_done(r, 1));
}

/* A switch that has entries 0..n-1. */
static struct recon *make_switch(uint32_t n)
{
    struct recon *r = recon_create(1000, 8000);
    struct recon_op op;

    recon_audit_begin(r);
    recon_audit_end(r);
    recon_begin(r);
    for (uint32_t i = 0; i < n; i++) {
        want(r, i, 0);
    }
    recon_end(r);
    while (recon_next_op(r, 0, &op)) {
    }
    confirm(r);
    MUST(recon_in_sync(r));
    return r;
}

START_TEST(deletion_waits_for_additions_before_it_and_not_for_those_that_follow)
{
    struct recon *r = make_switch(10);
    uint32_t next = 100;

    for (uint32_t i = 100; i < 110; i++) {
        want(r, i, 0);
    }
    want_not(r, 3);
    want_not(r, 4);
    for (uint32_t round = 0; round < 3; round++) {
        for (; next < 110 + 10 * round; next++) {
            expect_op(r, RECON_ADD, next);
            want(r, next + 10, 0); /* There is always one more. */
        }
        if (!round) {
            expect_op(r, RECON_DELETE, 3);
            want_not(r, 5);
            expect_op(r, RECON_DELETE, 4);
        } else if (round == 1) {
            expect_op(r, RECON_DELETE, 5);
        }
    }
    recon_destroy(r);
}
END_TEST

START_TEST(urgent_entries_go_before_the_others_and_their_deletions_after_additions)
{
    struct recon *r = make_switch(10);
    struct recon_op op;

    for (uint32_t i = 100; i < 1000; i++) {
        want(r, i, 0);
    }
    expect_op(r, RECON_ADD, 100);
    want_not(r, 3);
    want_not(r, 4);
    hurry_fib(r, 4);
    want(r, 5000, 0);
    hurry_fib(r, 5000);
    hurry_fib(r, 500);
    want_group(r, 7);
    want(r, 5, 7);
    hurry_fib(r, 5);
    hurry_fib(r, 6); /* Is as it should be. */
    expect_group(r, 7);
    expect_op(r, RECON_ADD, 5000);
    expect_op(r, RECON_ADD, 500);
    expect_op(r, RECON_MODIFY, 5);
    MUST(recon_has_urgent(r) && last_urgent);
    expect_op(r, RECON_DELETE, 4);
    MUST(!recon_has_urgent(r) && last_urgent);
    for (uint32_t i = 101; i < 1000; i++) {
        if (i != 500) {
            expect_op(r, RECON_ADD, i);
            MUST(!last_urgent);
        }
    }
    expect_op(r, RECON_DELETE, 3);
    MUST(!recon_next_op(r, 0, &op));
    confirm(r);
    MUST(recon_in_sync(r));
    recon_destroy(r);
}
END_TEST

START_TEST(urgent_deletion_waits_for_the_end_of_a_download)
{
    struct recon *r = make_switch(3);
    struct recon_op op;

    recon_begin(r);
    want_not(r, 1);
    hurry_fib(r, 1);
    want(r, 10, 0);
    expect_op(r, RECON_ADD, 10);
    MUST(!recon_next_op(r, 0, &op));
    want(r, 0, 0);
    want(r, 2, 0);
    recon_end(r);
    expect_op(r, RECON_DELETE, 1);
    MUST(!recon_next_op(r, 0, &op));
    recon_destroy(r);
}
END_TEST

START_TEST(wish_that_changes_again_is_what_is_sent)
{
    struct recon *r = make_switch(3);
    struct recon_op op;

    want_not(r, 1);
    hurry_fib(r, 1);
    want_not(r, 2);
    hurry_fib(r, 2);
    want(r, 1, 0); /* Back, before it was its turn. */
    expect_op(r, RECON_DELETE, 2);
    want(r, 2, 0); /* Back, while it is in flight. */
    hurry_fib(r, 2);
    for (uint32_t i = 10; i < 20; i++) {
        want(r, i, 0);
    }
    expect_op(r, RECON_ADD, 10);
    confirm(r);
    expect_op(r, RECON_ADD, 2);
    for (uint32_t i = 11; i < 20; i++) {
        expect_op(r, RECON_ADD, i);
    }
    MUST(!recon_next_op(r, 0, &op));
    confirm(r);
    MUST(recon_in_sync(r));
    recon_destroy(r);
}
END_TEST

START_TEST(urgent_entry_that_needs_a_share_follows_it_at_once)
{
    struct recon *r = make_switch(1);

    recon_set_share_limit(r, 2);
    want_group(r, 7);
    for (uint32_t i = 10; i < 20; i++) {
        want(r, i, 7);
    }
    expect_group(r, 7);
    expect_op(r, RECON_ADD, 10);
    expect_op(r, RECON_ADD, 11);
    hurry_fib(r, 15);
    expect_group(r, 1 << 20 | 7);
    expect_op(r, RECON_ADD, 15);
    expect_op(r, RECON_ADD, 12);
    recon_destroy(r);
}
END_TEST

UNIT_MAIN("core/urgent",
          urgent_change_is_yielded_before_the_others_which_keep_their_order,
          change_that_waited_for_its_neighbour_is_still_urgent_then,
          deletion_waits_for_additions_before_it_and_not_for_those_that_follow,
          urgent_entries_go_before_the_others_and_their_deletions_after_additions,
          urgent_deletion_waits_for_the_end_of_a_download,
          wish_that_changes_again_is_what_is_sent,
          urgent_entry_that_needs_a_share_follows_it_at_once)
