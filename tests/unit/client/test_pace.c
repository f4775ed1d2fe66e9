#include "../unit.h"
#include "pace.h"

/* So many events are read at `ms`. */
static bool read_at(struct pace *p, int64_t ms, uint64_t *n, unsigned events)
{
    pace_read_begins(p, ms, *n);
    *n += events;
    return pace_read_ends(p, *n);
}

START_TEST(few_events_in_a_millisecond_are_no_stream)
{
    struct pace p = {0};
    uint64_t n = 100000;

    for (int64_t ms = 1; ms < 50; ms++) {
        for (unsigned i = 0; i < PACE_READ_AT_ONCE; i++) {
            ck_assert(!read_at(&p, ms, &n, 1));
        }
    }
    ck_assert(read_at(&p, 49, &n, 1));
    ck_assert(!read_at(&p, 50, &n, 1));
}
END_TEST

START_TEST(what_came_in_the_pause_is_of_the_stream)
{
    struct pace p = {0};
    uint64_t n = 0;
    int64_t ms = 1;

    for (unsigned i = 0; i < 10; i++, ms += PACE_READ_MS) {
        ck_assert(read_at(&p, ms, &n, PACE_READ_AT_ONCE + 1));
    }
    ck_assert(!read_at(&p, ms, &n, PACE_READ_AT_ONCE)); /* Its end. */
}
END_TEST

START_TEST(a_stream_is_told_when_it_is_much_or_old_or_over)
{
    struct pace p = {.told_us = 5000000};
    uint64_t n = 0;

    ck_assert(!read_at(&p, 1, &n, 1));
    ck_assert_int_eq(pace_tell_at(&p, false, 1), 5000000 + PACE_TELL_MS * 1000);
    ck_assert(read_at(&p, 2, &n, 100));
    ck_assert_int_eq(pace_tell_at(&p, false, 101), 5000000 + PACE_STREAM_MS * 1000);
    ck_assert_int_eq(pace_tell_at(&p, false, PACE_STREAM_ROUTES),
                     5000000 + PACE_TELL_MS * 1000);
    ck_assert_int_eq(pace_tell_at(&p, true, 101), 5000000 + PACE_TELL_MS * 1000);
    ck_assert(!read_at(&p, 2 + PACE_READ_MS, &n, 0));
    ck_assert_int_eq(pace_tell_at(&p, false, 101), 5000000 + PACE_TELL_MS * 1000);
}
END_TEST

UNIT_MAIN("client/pace", few_events_in_a_millisecond_are_no_stream,
          what_came_in_the_pause_is_of_the_stream,
          a_stream_is_told_when_it_is_much_or_old_or_over)
