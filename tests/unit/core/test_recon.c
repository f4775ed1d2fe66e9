#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "recon_setup.h"

static void want_fib(struct recon *r, const char *dst, uint32_t group)
{
    struct fib_entry e = {
        .prefix = prefix(dst),
        .target = {.verdict = group ? FIB_GROUP : FIB_PUNT, .group = group}};
    ck_assert(recon_desire_fib(r, &e));
}

static void want_aux(struct recon *r, unsigned rank, const char *key, const char *value)
{
    ck_assert(recon_desire_aux(r, rank, (struct recon_blob){key, (uint32_t)strlen(key)},
                               (struct recon_blob){value, (uint32_t)strlen(value)}));
}

/* "ADD 10.0.0.0/8 -> 5", "" for none; the operation itself in *ret. */
static const char *next_op(struct recon *r, int64_t now, struct recon_op *ret)
{
    static char text[160];
    static const char *const actions[] = {"", "ADD", "MODIFY", "DELETE"};
    char p[IP_PREFIX_STRLEN];

    text[0] = '\0';
    if (!recon_next_op(r, now, ret)) {
        return text;
    }
    const char *action = actions[ret->action];
    if (ret->what == RECON_FIB) {
        prefix_format(&ret->fib.prefix, p);
        if (ret->action == RECON_DELETE) {
            snprintf(text, sizeof text, "%s %s", action, p);
        } else {
            snprintf(text, sizeof text, "%s %s -> %u", action, p,
                     ret->fib.target.group);
        }
    } else if (ret->what == RECON_GROUP) {
        snprintf(text, sizeof text, "%s group %u", action, ret->group.id);
    } else {
        snprintf(text, sizeof text, "%s aux %.*s", action, (int)ret->aux.key.len,
                 (const char *)ret->aux.key.data);
    }
    return text;
}

static void expect_ops(struct recon *r, const char *const *expected, size_t n)
{
    struct recon_op op;

    for (size_t i = 0; i < n; i++) {
        ck_assert_str_eq(next_op(r, 0, &op), expected[i]);
    }
    ck_assert_str_eq(next_op(r, 0, &op), "");
}

#define EXPECT(R, ...)                                     \
    do {                                                   \
        const char *const expected_[] = {__VA_ARGS__};     \
        expect_ops((R), expected_, ARRAY_SIZE(expected_)); \
    } while (0)

static void expect_none(struct recon *r, int64_t now)
{
    struct recon_op op;
    ck_assert_str_eq(next_op(r, now, &op), "");
}

START_TEST(additions_go_from_meters_to_flows_and_deletions_back)
{
    struct recon *r = make_known();

    recon_begin(r);
    want_fib(r, "10.0.0.0/8", 5);
    want_group(r, 5, 1);
    want_aux(r, 1, "admit", "x");
    want_aux(r, 0, "meter", "x");
    recon_end(r);
    EXPECT(r, "ADD aux meter", "ADD aux admit", "ADD group 5", "ADD 10.0.0.0/8 -> 5");
    ck_assert(!recon_in_sync(r));
    confirm(r);
    ck_assert(recon_in_sync(r));

    recon_begin(r);
    want_fib(r, "20.0.0.0/8", 0);
    recon_end(r);
    /* The group waits until its flow is confirmed to be gone. */
    EXPECT(r, "ADD 20.0.0.0/8 -> 0", "DELETE 10.0.0.0/8", "DELETE aux admit",
           "DELETE aux meter");
    confirm(r);
    EXPECT(r, "DELETE group 5");
    confirm(r);
    ck_assert(recon_in_sync(r));
    ck_assert_uint_eq(recon_changes(r), 9);
    recon_destroy(r);
}
END_TEST

START_TEST(nothing_is_deleted_before_the_download_is_complete)
{
    struct recon *r = recon_create(RETRY_MIN, RETRY_MAX);
    struct fib_entry old = {.prefix = prefix("10.0.0.0/8"),
                            .target = {.verdict = FIB_PUNT}};
    struct fib_group g = make_group(9, 1);

    expect_none(r, 0);
    recon_begin(r);
    want_fib(r, "20.0.0.0/8", 0);
    recon_audit_begin(r);
    recon_seen_fib(r, &old);
    recon_seen_group(r, 9, 1, g.hops);
    recon_audit_end(r);
    EXPECT(r, "ADD 20.0.0.0/8 -> 0");
    confirm(r);
    expect_none(r, 0);
    ck_assert(!recon_in_sync(r));
    recon_end(r);
    EXPECT(r, "DELETE 10.0.0.0/8", "DELETE group 9");
    confirm(r);

    recon_begin(r); /* rfserver has restarted: a hole must not be torn. */
    recon_remove_fib(r, &(struct ip_prefix){.addr = ip("20.0.0.0"), .plen = 8});
    expect_none(r, 0);
    want_fib(r, "20.0.0.0/8", 0);
    recon_end(r);
    expect_none(r, 0);
    recon_destroy(r);
}
END_TEST

START_TEST(audit_of_a_switch_that_is_right_yields_nothing)
{
    struct recon *r = recon_create(RETRY_MIN, RETRY_MAX);
    struct fib_entry e = {.prefix = prefix("10.0.0.0/8"),
                          .target = {.verdict = FIB_GROUP, .group = 5}};
    struct fib_group g = make_group(5, 1);

    recon_begin(r);
    want_group(r, 5, 1);
    want_fib(r, "10.0.0.0/8", 5);
    want_aux(r, 0, "meter", "100/s");
    recon_end(r);
    recon_audit_begin(r);
    recon_seen_fib(r, &e);
    g.hops[0].weight = 0; /* An indirect group has no weights. */
    recon_seen_group(r, 5, 1, g.hops);
    recon_seen_aux(r, 0, (struct recon_blob){"meter", 5},
                   (struct recon_blob){"100/s", 5});
    recon_audit_end(r);
    expect_none(r, 0);
    ck_assert(recon_in_sync(r));

    recon_audit_begin(r); /* Somebody has changed all three. */
    e.target.verdict = FIB_DROP;
    recon_seen_fib(r, &e);
    recon_seen_group(r, 5, 0, NULL);
    ck_assert_uint_eq(recon_audit_end(r), 3);
    EXPECT(r, "ADD aux meter", "MODIFY group 5", "MODIFY 10.0.0.0/8 -> 5");
    recon_destroy(r);
}
END_TEST

START_TEST(wish_that_changes_in_flight_is_sent_after_the_barrier)
{
    struct recon *r = make_known();
    struct recon_op op;

    want_group(r, 1, 1);
    want_group(r, 2, 2);
    want_fib(r, "10.0.0.0/8", 1);
    EXPECT(r, "ADD group 1", "ADD group 2", "ADD 10.0.0.0/8 -> 1");
    recon_barrier_sent(r, 1);
    want_fib(r, "10.0.0.0/8", 2);
    want_group(r, 1, 9);
    expect_none(r, 0);
    ck_assert(!recon_barrier_done(r, 99));
    ck_assert(recon_barrier_done(r, 1));
    EXPECT(r, "MODIFY group 1", "MODIFY 10.0.0.0/8 -> 2");
    want_fib(r, "10.0.0.0/8", 1);
    want_fib(r, "10.0.0.0/8", 2); /* And back. */
    confirm(r);
    ck_assert_str_eq(next_op(r, 0, &op), "");
    recon_destroy(r);
}
END_TEST

START_TEST(group_change_is_one_operation_however_many_flows_use_it)
{
    struct recon *r = make_known();
    struct recon_op op;

    want_group(r, 1, 1);
    for (uint32_t i = 0; i < 1000; i++) {
        struct fib_entry e = {.prefix = {.addr = ip_from_v4(i << 12), .plen = 20},
                              .target = {.verdict = FIB_GROUP, .group = 1}};
        ck_assert(recon_desire_fib(r, &e));
    }
    while (recon_next_op(r, 0, &op)) {
    }
    confirm(r);
    want_group(r, 1, 2);
    EXPECT(r, "MODIFY group 1");
    recon_destroy(r);
}
END_TEST

static void save_failed(void *aux, const struct recon_failed *f)
{
    str_copy(aux, f->error, RECON_ERROR_LEN);
}

/* The alternate with which group 5 is changed; 0: it is not changed, or has none. */
static uint32_t next_alternate(struct recon *r)
{
    struct recon_op op;
    uint32_t port = 0;

    if (recon_next_op(r, 0, &op)) {
        ck_assert_int_eq(op.what, RECON_GROUP);
        port = op.group.n_hops == 2 ? op.group.hops[1].dp_port : 0;
        confirm(r);
    }
    ck_assert(recon_in_flight(r) == 0 && !recon_next_op(r, 0, &op));
    return port;
}

static void want_alternate(struct recon *r, uint32_t dp_port)
{
    const struct fib_group g = {
        .id = 5,
        .n_hops = 2,
        .hops = {{.dp_port = 1, .weight = 1}, {.dp_port = dp_port, .weight = 0}}};

    ck_assert(recon_desire_group(r, &g));
}

START_TEST(alternate_is_for_switches_that_can_fail_over)
{
    struct recon *r = make_known();

    want_alternate(r, 2);
    ck_assert_uint_eq(next_alternate(r), 0);
    recon_set_alternates(r, true);
    ck_assert_uint_eq(next_alternate(r), 2);
    want_alternate(r, 3);
    ck_assert_uint_eq(next_alternate(r), 3);
    recon_set_alternates(r, false);
    ck_assert_uint_eq(next_alternate(r), 0);
    ck_assert_uint_eq(recon_changes(r), 4);
    want_alternate(r, 4); /* Nothing to be told, but not forgotten. */
    ck_assert_uint_eq(next_alternate(r), 0);
    ck_assert_uint_eq(recon_changes(r), 4);
    recon_set_alternates(r, true);
    ck_assert_uint_eq(next_alternate(r), 4);
    recon_destroy(r);
}
END_TEST

START_TEST(refused_entry_shows_its_error_and_is_retried_with_back_off)
{
    struct recon *r = make_known();
    struct recon_op op;
    struct recon_counts c;
    char error[RECON_ERROR_LEN] = "";
    int64_t now = 50000;

    want_fib(r, "10.0.0.0/8", 0);
    want_fib(r, "20.0.0.0/8", 0);
    for (int64_t delay = RETRY_MIN; delay <= RETRY_MAX; delay *= 2) {
        ck_assert_str_eq(next_op(r, now, &op), "ADD 10.0.0.0/8 -> 0");
        ck_assert(recon_op_failed(r, op.serial, RECON_REFUSED, "table full", now));
        while (recon_next_op(r, now, &op)) {
        }
        confirm(r);
        recon_counts(r, RECON_FIB, &c);
        ck_assert_uint_eq(c.failed, 1);
        ck_assert_uint_eq(c.pending, 1);
        ck_assert_uint_eq(c.installed, 1); /* The rest goes on. */
        ck_assert_int_eq(recon_next_retry(r), now + delay);
        expect_none(r, now + delay - 1);
        now += delay;
    }
    recon_each_failed(r, save_failed, error);
    ck_assert_str_eq(error, "table full");
    ck_assert_str_eq(next_op(r, now, &op), "ADD 10.0.0.0/8 -> 0");
    confirm(r);
    recon_counts(r, RECON_FIB, &c);
    ck_assert_uint_eq(c.failed + c.pending, 0);
    ck_assert(!recon_op_failed(r, op.serial, RECON_REFUSED, "late", now));
    ck_assert(!recon_op_failed(r, 0, RECON_REFUSED, "nonsense", now));
    recon_destroy(r);
}
END_TEST

START_TEST(flows_of_a_refused_group_wait_for_it_and_only_it_is_shown)
{
    struct recon *r = make_known();
    struct recon_op op;
    struct recon_counts c;

    want_group(r, 1, 1);
    want_fib(r, "10.0.0.0/8", 1);
    ck_assert_str_eq(next_op(r, 0, &op), "ADD group 1");
    ck_assert(recon_op_failed(r, op.serial, RECON_REFUSED, "no space", 0));
    ck_assert_str_eq(next_op(r, 0, &op), "");
    confirm(r);
    recon_counts(r, RECON_FIB, &c);
    ck_assert_uint_eq(c.failed, 0);
    ck_assert_uint_eq(c.pending, 1);
    ck_assert_str_eq(next_op(r, RETRY_MIN, &op), "ADD group 1");
    ck_assert_str_eq(next_op(r, RETRY_MIN, &op), "");
    confirm(r);
    ck_assert_str_eq(next_op(r, RETRY_MIN, &op), "ADD 10.0.0.0/8 -> 1");
    recon_destroy(r);
}
END_TEST

START_TEST(group_that_exists_or_is_absent_unexpectedly_is_corrected_at_once)
{
    struct recon *r = make_known();
    struct recon_op op;

    want_group(r, 1, 1);
    ck_assert_str_eq(next_op(r, 0, &op), "ADD group 1");
    ck_assert(recon_op_failed(r, op.serial, RECON_EXISTS, "group exists", 0));
    confirm(r);
    ck_assert_str_eq(next_op(r, 0, &op), "MODIFY group 1");
    confirm(r);
    ck_assert_uint_eq(recon_in_flight(r), 0);
    want_group(r, 1, 2);
    ck_assert_str_eq(next_op(r, 0, &op), "MODIFY group 1");
    ck_assert(recon_op_failed(r, op.serial, RECON_ABSENT, "unknown group", 0));
    confirm(r);
    ck_assert_str_eq(next_op(r, 0, &op), "ADD group 1");
    recon_destroy(r);
}
END_TEST

START_TEST(flow_refused_for_its_absent_group_brings_the_group_and_an_audit)
{
    struct recon *r = make_known();
    struct recon_op op;

    want_group(r, 1, 1);
    EXPECT(r, "ADD group 1");
    confirm(r);
    want_fib(r, "10.0.0.0/8", 1);
    ck_assert_str_eq(next_op(r, 0, &op), "ADD 10.0.0.0/8 -> 1");
    ck_assert(!recon_wants_audit(r));
    ck_assert(recon_op_failed(r, op.serial, RECON_ABSENT, "bad out group", 0));
    confirm(r);
    ck_assert(recon_wants_audit(r));
    EXPECT(r, "ADD group 1", "ADD 10.0.0.0/8 -> 1");
    recon_audit_begin(r);
    ck_assert(!recon_wants_audit(r));
    recon_destroy(r);
}
END_TEST

START_TEST(flow_that_waits_for_its_group_goes_when_an_audit_sees_the_group)
{
    struct recon *r = make_known();
    struct fib_group g = make_group(1, 1);
    struct recon_op op;

    want_group(r, 1, 1);
    ck_assert_str_eq(next_op(r, 0, &op), "ADD group 1");
    ck_assert(recon_op_failed(r, op.serial, RECON_REFUSED, "no space", 0));
    confirm(r);
    want_fib(r, "10.0.0.0/8", 1);
    expect_none(r, 0);
    recon_audit_begin(r);
    recon_seen_group(r, 1, 1, g.hops);
    ck_assert_uint_eq(recon_audit_end(r), 1);
    EXPECT(r, "ADD 10.0.0.0/8 -> 1");
    recon_destroy(r);
}
END_TEST

START_TEST(audit_does_not_judge_what_was_in_flight_meanwhile)
{
    struct recon *r = make_known();

    want_fib(r, "10.0.0.0/8", 0);
    want_fib(r, "20.0.0.0/8", 0);
    EXPECT(r, "ADD 10.0.0.0/8 -> 0", "ADD 20.0.0.0/8 -> 0");
    recon_barrier_sent(r, 1);
    recon_audit_begin(r);
    want_fib(r, "30.0.0.0/8", 0);
    EXPECT(r, "ADD 30.0.0.0/8 -> 0");
    ck_assert(recon_barrier_done(r, 1));
    ck_assert_uint_eq(recon_audit_end(r), 0);
    expect_none(r, 0);
    confirm(r);
    recon_audit_begin(r); /* Now all of them should be there. */
    ck_assert_uint_eq(recon_audit_end(r), 3);
    EXPECT(r, "ADD 10.0.0.0/8 -> 0", "ADD 20.0.0.0/8 -> 0", "ADD 30.0.0.0/8 -> 0");
    recon_destroy(r);
}
END_TEST

START_TEST(audit_that_is_judged_in_slices_adds_all_before_it_deletes)
{
    struct recon *r = recon_create(RETRY_MIN, RETRY_MAX);
    struct fib_entry old = {.prefix = prefix("40.0.0.0/8"),
                            .target = {.verdict = FIB_PUNT}};
    size_t n = 99;

    recon_audit_begin(r);
    recon_seen_fib(r, &old);
    recon_begin(r);
    want_fib(r, "10.0.0.0/8", 0);
    want_fib(r, "20.0.0.0/8", 0);
    want_fib(r, "30.0.0.0/8", 0);
    recon_end(r);
    expect_none(r, 0);
    ck_assert(!recon_audit_slice(r, 1, &n)); /* 40.0.0.0/8 */
    expect_none(r, 0);
    ck_assert(!recon_audit_slice(r, 1, &n));
    EXPECT(r, "ADD 10.0.0.0/8 -> 0");
    ck_assert_uint_eq(n, 99);
    ck_assert(recon_audit_slice(r, 9, &n));
    ck_assert_uint_eq(n, 0);
    EXPECT(r, "ADD 20.0.0.0/8 -> 0", "ADD 30.0.0.0/8 -> 0", "DELETE 40.0.0.0/8");
    confirm(r);
    ck_assert(recon_in_sync(r));
    recon_destroy(r);
}
END_TEST

START_TEST(audit_does_not_judge_what_was_in_flight_before_its_slice)
{
    struct recon *r = make_known();
    size_t n = 99;

    recon_begin(r);
    want_fib(r, "10.0.0.0/8", 0);
    want_fib(r, "20.0.0.0/8", 0);
    want_fib(r, "30.0.0.0/8", 0);
    recon_end(r);
    EXPECT(r, "ADD 10.0.0.0/8 -> 0", "ADD 20.0.0.0/8 -> 0", "ADD 30.0.0.0/8 -> 0");
    confirm(r);
    recon_audit_begin(r); /* Somebody has deleted them. */
    ck_assert(!recon_audit_slice(r, 1, &n));
    EXPECT(r, "ADD 10.0.0.0/8 -> 0");
    want_group(r, 1, 1);
    want_fib(r, "20.0.0.0/8", 1);
    recon_remove_fib(r, &(struct ip_prefix){.addr = ip("30.0.0.0"), .plen = 8});
    EXPECT(r, "ADD group 1", "MODIFY 20.0.0.0/8 -> 1");
    confirm(r);
    recon_audit_begin(r); /* Judges the rest of the one before. */
    ck_assert_uint_eq(recon_audit_end(r), 3);
    EXPECT(r, "ADD group 1", "ADD 10.0.0.0/8 -> 0", "ADD 20.0.0.0/8 -> 1");
    confirm(r);
    ck_assert(recon_in_sync(r));
    recon_destroy(r);
}
END_TEST

START_TEST(values_out_of_range_are_refused)
{
    struct recon *r = make_known();
    struct fib_entry e = {.prefix = prefix("10.0.0.1/8"),
                          .target = {.verdict = FIB_PUNT}};
    struct fib_group g = make_group(0, 1);

    ck_assert(!recon_desire_fib(r, &e)); /* Not canonical. */
    e.prefix = prefix("10.0.0.0/8");
    e.target = (struct fib_target){.verdict = FIB_GROUP, .group = 0x80000000};
    ck_assert(!recon_desire_fib(r, &e));
    e.target = (struct fib_target){.verdict = 9};
    ck_assert(!recon_desire_fib(r, &e));
    ck_assert(!recon_desire_group(r, &g));
    g = make_group(1, 1);
    g.n_hops = VM_MAX_HOPS + 1;
    ck_assert(!recon_desire_group(r, &g));
    ck_assert(!recon_desire_aux(r, RECON_RANKS, (struct recon_blob){"k", 1},
                                (struct recon_blob){"v", 1}));
    ck_assert(!recon_desire_aux(r, 0, (struct recon_blob){NULL, 0},
                                (struct recon_blob){"v", 1}));
    expect_none(r, 0);
    recon_destroy(r);
}
END_TEST

UNIT_MAIN("core/recon", additions_go_from_meters_to_flows_and_deletions_back,
          nothing_is_deleted_before_the_download_is_complete,
          audit_of_a_switch_that_is_right_yields_nothing,
          wish_that_changes_in_flight_is_sent_after_the_barrier,
          group_change_is_one_operation_however_many_flows_use_it,
          alternate_is_for_switches_that_can_fail_over,
          refused_entry_shows_its_error_and_is_retried_with_back_off,
          flows_of_a_refused_group_wait_for_it_and_only_it_is_shown,
          group_that_exists_or_is_absent_unexpectedly_is_corrected_at_once,
          flow_refused_for_its_absent_group_brings_the_group_and_an_audit,
          flow_that_waits_for_its_group_goes_when_an_audit_sees_the_group,
          audit_does_not_judge_what_was_in_flight_meanwhile,
          audit_that_is_judged_in_slices_adds_all_before_it_deletes,
          audit_does_not_judge_what_was_in_flight_before_its_slice,
          values_out_of_range_are_refused)
