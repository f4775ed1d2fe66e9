#include "unit.h"

#include "core/backoff.h"

START_TEST(backoff_doubles_from_min_to_max)
{
    ck_assert_int_eq(backoff_delay(1000, 30000, 1), 1000);
    ck_assert_int_eq(backoff_delay(1000, 30000, 2), 2000);
    ck_assert_int_eq(backoff_delay(1000, 30000, 5), 16000);
    ck_assert_int_eq(backoff_delay(1000, 30000, 6), 30000);
    ck_assert_int_eq(backoff_delay(1000, 30000, UINT32_MAX), 30000);
    ck_assert_int_eq(backoff_delay(INT64_MAX / 2, INT64_MAX, 9), INT64_MAX);
}
END_TEST

START_TEST(backoff_is_due_at_once_then_after_each_delay_and_success_resets_it)
{
    struct backoff b = backoff_make(100, 400);

    ck_assert(backoff_due(&b, 0));
    backoff_failed(&b, 1000);
    ck_assert(!backoff_due(&b, 1099));
    ck_assert(backoff_due(&b, 1100));
    backoff_failed(&b, 1100);
    ck_assert_int_eq(b.retry_at, 1300);
    backoff_failed(&b, 1300);
    backoff_failed(&b, 1700);
    ck_assert_int_eq(b.retry_at, 2100);
    backoff_succeeded(&b);
    ck_assert(backoff_due(&b, 0));
    backoff_failed(&b, 5000);
    ck_assert_int_eq(b.retry_at, 5100);
}
END_TEST

UNIT_MAIN("core/backoff", backoff_doubles_from_min_to_max,
          backoff_is_due_at_once_then_after_each_delay_and_success_resets_it)
