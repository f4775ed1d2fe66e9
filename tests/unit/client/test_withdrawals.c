#include "unit.h"

#include <stdio.h>

#include "withdrawals.h"

static struct withdrawals *all;

static struct ip_prefix prefix(unsigned i)
{
    char text[64];
    struct ip_prefix p;

    snprintf(text, sizeof text, "2001:db8:%x::/48", i);
    ck_assert(prefix_parse(text, &p));
    return p;
}

static bool hold(unsigned i, int64_t now)
{
    struct ip_prefix p = prefix(i);

    return withdrawals_hold(all, &p, false, now);
}

static void cancel(unsigned i)
{
    struct ip_prefix p = prefix(i);

    withdrawals_cancel(all, &p);
}

/* The one that is due must be this one; 0: none. */
static void expect(int64_t now, unsigned i)
{
    struct ip_prefix p, wanted = prefix(i);
    bool any = withdrawals_next(all, false, now, &p);

    ck_assert(any == (i != 0));
    ck_assert(!any || prefix_equal(&p, &wanted));
    cancel(i);
}

START_TEST(withdrawals_are_told_in_their_order_when_they_waited_long_enough)
{
    all = withdrawals_create();
    ck_assert_int_eq(withdrawals_wakeup(all), INT64_MAX);
    ck_assert(hold(1, 1000) && hold(2, 1005));
    ck_assert_int_eq(withdrawals_wakeup(all), 1000 + WITHDRAWAL_HOLD);
    expect(999 + WITHDRAWAL_HOLD, 0);
    expect(1000 + WITHDRAWAL_HOLD, 1);
    expect(1000 + WITHDRAWAL_HOLD, 0);
    expect(1005 + WITHDRAWAL_HOLD, 2);
    ck_assert_int_eq(withdrawals_wakeup(all), INT64_MAX);
    withdrawals_destroy(all);
}
END_TEST

START_TEST(withdrawal_of_a_route_that_returned_is_never_told)
{
    all = withdrawals_create();
    hold(1, 1000);
    hold(2, 1000);
    cancel(1);
    cancel(3);
    expect(5000, 2);
    expect(5000, 0);
    withdrawals_destroy(all);
}
END_TEST

START_TEST(withdrawal_that_flaps_waits_no_longer)
{
    all = withdrawals_create();
    hold(1, 1000);
    hold(1, 1000 + WITHDRAWAL_HOLD - 1);
    expect(1000 + WITHDRAWAL_HOLD, 1);
    expect(5000, 0);
    withdrawals_destroy(all);
}
END_TEST

START_TEST(withdrawals_beyond_the_bound_are_not_held)
{
    all = withdrawals_create();
    for (unsigned i = 1; i <= WITHDRAWAL_MAX; i++) {
        ck_assert(hold(i, 1000));
    }
    ck_assert(!hold(WITHDRAWAL_MAX + 1, 1000));
    ck_assert(hold(7, 1000));
    cancel(7);
    ck_assert(hold(WITHDRAWAL_MAX + 1, 1000));
    withdrawals_clear(all);
    expect(5000, 0);
    ck_assert(hold(1, 1000));
    withdrawals_destroy(all);
}
END_TEST

START_TEST(urgent_withdrawals_do_not_wait_for_the_others)
{
    struct ip_prefix p, two = prefix(2);

    all = withdrawals_create();
    hold(1, 1000);
    ck_assert(withdrawals_hold(all, &two, true, 1001));
    ck_assert_int_eq(withdrawals_wakeup(all), 1000 + WITHDRAWAL_HOLD);
    ck_assert(!withdrawals_next(all, true, 1000 + WITHDRAWAL_HOLD, &p));
    ck_assert(withdrawals_next(all, true, 1001 + WITHDRAWAL_HOLD, &p));
    ck_assert(prefix_equal(&p, &two));
    expect(1001 + WITHDRAWAL_HOLD, 1);
    ck_assert_int_eq(withdrawals_wakeup(all), 1001 + WITHDRAWAL_HOLD);
    cancel(2);
    ck_assert_int_eq(withdrawals_wakeup(all), INT64_MAX);
    withdrawals_destroy(all);
}
END_TEST

UNIT_MAIN("client/withdrawals",
          withdrawals_are_told_in_their_order_when_they_waited_long_enough,
          withdrawal_of_a_route_that_returned_is_never_told,
          withdrawal_that_flaps_waits_no_longer,
          withdrawals_beyond_the_bound_are_not_held,
          urgent_withdrawals_do_not_wait_for_the_others)
