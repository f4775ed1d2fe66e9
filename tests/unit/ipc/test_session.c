#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "ipc/session.h"
#include "ipc/window.h"

static const struct ipc_timing timing = IPC_TIMING_DEFAULTS;
static const struct msg_welcome welcome = {.version = WIRE_VERSION, .epoch = 77};

/* A session that is up at time `now`. */
static struct ipc_session up_at(int64_t now)
{
    struct ipc_session s;
    bool restarted;

    ipc_session_init(&s, &timing, now);
    ck_assert_int_eq(ipc_session_run(&s, now), SESSION_OPEN);
    ck_assert(ipc_session_welcome(&s, &welcome, now, &restarted));
    return s;
}

START_TEST(a_session_opens_at_once_and_is_up_with_welcome)
{
    struct ipc_session s;
    bool restarted = true;

    ipc_session_init(&s, &timing, 1000);
    ck_assert_int_eq(ipc_session_wakeup(&s), 1000);
    ck_assert_int_eq(ipc_session_run(&s, 1000), SESSION_OPEN);
    ck_assert_int_eq(ipc_session_run(&s, 1000), SESSION_NOTHING);
    ck_assert_int_eq(s.state, SESSION_HELLO);
    ck_assert(ipc_session_welcome(&s, &welcome, 1010, &restarted));
    ck_assert_int_eq(s.state, SESSION_UP);
    ck_assert(!restarted);
}
END_TEST

START_TEST(an_idle_session_sends_heartbeats_and_dies_of_silence)
{
    struct ipc_session s = up_at(0);
    int heartbeats = 0;
    int64_t now = 0;
    enum ipc_session_action action;

    for (;;) {
        now = ipc_session_wakeup(&s);
        action = ipc_session_run(&s, now);
        if (action != SESSION_SEND_HEARTBEAT) {
            break;
        }
        heartbeats++;
        ipc_session_sent(&s, now);
    }
    ck_assert_int_eq(action, SESSION_CLOSE);
    ck_assert_int_eq(now, timing.dead_ms);
    ck_assert_int_eq(heartbeats, 4);
    ck_assert_str_eq(s.reason, "rfserver is silent");
}
END_TEST

START_TEST(a_session_that_is_heard_stays_up)
{
    struct ipc_session s = up_at(0);

    for (int64_t now = 0; now < 100000; now += 500) {
        ipc_session_heard(&s, now);
        ipc_session_sent(&s, now);
        ck_assert_int_eq(ipc_session_run(&s, now), SESSION_NOTHING);
    }
}
END_TEST

START_TEST(first_retry_is_immediate_then_waits_double_up_to_the_maximum)
{
    static const int64_t waits[] = {0, 100, 200, 400, 800, 1600, 2000, 2000};
    struct ipc_session s;
    int64_t now = 5000;

    ipc_session_init(&s, &timing, now);
    for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
        ck_assert_int_eq(ipc_session_run(&s, now), SESSION_OPEN);
        ipc_session_lose(&s, "refused");
        ck_assert_int_eq(ipc_session_run(&s, now), SESSION_CLOSE);
        ck_assert_int_eq(ipc_session_wakeup(&s), now + waits[i]);
        if (waits[i]) {
            ck_assert_int_eq(ipc_session_run(&s, now + waits[i] - 1), SESSION_NOTHING);
        }
        now += waits[i];
    }
}
END_TEST

START_TEST(a_session_that_lasted_is_retried_at_once_a_short_one_is_not)
{
    struct ipc_session s = up_at(0);
    bool restarted;

    s.backoff = 1600;
    ipc_session_lose(&s, "connection lost");
    ck_assert_int_eq(ipc_session_run(&s, 100), SESSION_CLOSE);
    ck_assert_int_eq(ipc_session_wakeup(&s), 1700);

    ck_assert_int_eq(ipc_session_run(&s, 1700), SESSION_OPEN);
    ck_assert(ipc_session_welcome(&s, &welcome, 1700, &restarted));
    ipc_session_heard(&s, 6000);
    ipc_session_lose(&s, "connection lost");
    ck_assert_int_eq(ipc_session_run(&s, 6000), SESSION_CLOSE);
    ck_assert_int_eq(ipc_session_run(&s, 6000), SESSION_OPEN);
}
END_TEST

START_TEST(a_hello_without_answer_is_given_up_after_the_dead_time)
{
    struct ipc_session s;

    ipc_session_init(&s, &timing, 0);
    ck_assert_int_eq(ipc_session_run(&s, 0), SESSION_OPEN);
    ck_assert_int_eq(ipc_session_wakeup(&s), timing.dead_ms);
    ck_assert_int_eq(ipc_session_run(&s, timing.dead_ms - 1), SESSION_NOTHING);
    ck_assert_int_eq(ipc_session_run(&s, timing.dead_ms), SESSION_CLOSE);
    ck_assert_str_eq(s.reason, "rfserver does not answer");
}
END_TEST

START_TEST(a_new_server_epoch_is_reported_as_a_restart)
{
    struct ipc_session s = up_at(0);
    struct msg_welcome other = {.version = WIRE_VERSION, .epoch = 78};
    bool restarted;

    for (int i = 0; i < 2; i++) {
        ipc_session_lose(&s, "connection lost");
        ck_assert_int_eq(ipc_session_run(&s, 10000 * i), SESSION_CLOSE);
        ck_assert_int_eq(ipc_session_run(&s, 10000 * i + 5000), SESSION_OPEN);
        ck_assert(ipc_session_welcome(&s, i ? &other : &welcome, 10000 * i + 5000,
                                      &restarted));
        ck_assert_int_eq(restarted, i);
    }
}
END_TEST

START_TEST(welcome_of_another_version_or_out_of_place_ends_the_session)
{
    struct msg_welcome old = {.version = WIRE_VERSION + 1, .epoch = 1};
    struct ipc_session s;
    char reason[64];
    bool restarted;

    snprintf(reason, sizeof reason, "rfserver speaks version %d, we speak %d",
             WIRE_VERSION + 1, WIRE_VERSION);
    ipc_session_init(&s, &timing, 0);
    ipc_session_run(&s, 0);
    ck_assert(!ipc_session_welcome(&s, &old, 0, &restarted));
    ck_assert_int_eq(ipc_session_run(&s, 0), SESSION_CLOSE);
    ck_assert_str_eq(s.reason, reason);

    s = up_at(0);
    ck_assert(!ipc_session_welcome(&s, &welcome, 1, &restarted));
    ck_assert_int_eq(ipc_session_run(&s, 1), SESSION_CLOSE);
}
END_TEST

START_TEST(hello_is_checked_before_it_is_believed)
{
    struct ipc_identity who;
    struct msg_hello good = {.version = WIRE_VERSION,
                             .role = ROLE_CLIENT,
                             .id = 0x02a0a0a0a0a0,
                             .epoch = 5,
                             .name = "rfclient@a:1"};
    struct msg_hello m;

    ck_assert(!ipc_hello_check(&good, &who));
    ck_assert_uint_eq(who.id, good.id);
    ck_assert_str_eq(who.name, "rfclient@a:1");
    m = good;
    m.version = 9;
    ck_assert(ipc_hello_check(&m, &who) != NULL);
    m = good;
    m.role = 0;
    ck_assert(ipc_hello_check(&m, &who) != NULL);
    m = good;
    m.role = WIRE_ROLE_MAX + 1;
    ck_assert(ipc_hello_check(&m, &who) != NULL);
    m = good;
    m.id = 0;
    ck_assert(ipc_hello_check(&m, &who) != NULL);
    m = good;
    m.id = UINT64_C(1) << 48;
    ck_assert(ipc_hello_check(&m, &who) != NULL);
    m = good;
    m.epoch = 0;
    ck_assert(ipc_hello_check(&m, &who) != NULL);
}
END_TEST

START_TEST(a_twin_is_probed_but_the_same_process_or_a_silent_one_is_replaced)
{
    struct ipc_identity a = {ROLE_CLIENT, 1, 10, "rfclient@a:1"};
    struct ipc_identity restarted = {ROLE_CLIENT, 1, 11, "rfclient@a:1"};
    struct ipc_identity twin = {ROLE_CLIENT, 1, 12, "rfclient@b:1"};

    ck_assert_int_eq(ipc_hello_against(&a, 1000, &a, &timing, 1001), HELLO_REPLACE);
    ck_assert_int_eq(ipc_hello_against(&a, 1000, &restarted, &timing, 1001),
                     HELLO_PROBE);
    ck_assert_int_eq(ipc_hello_against(&a, 1000, &twin, &timing, 1001), HELLO_PROBE);
    ck_assert_int_eq(ipc_hello_against(&a, 1000, &twin, &timing, 5999), HELLO_PROBE);
    ck_assert_int_eq(ipc_hello_against(&a, 1000, &twin, &timing, 6000), HELLO_REPLACE);
}
END_TEST

START_TEST(an_ack_waits_until_half_of_the_window_is_used)
{
    struct ipc_window w;

    ipc_window_reset(&w, 4);
    ck_assert_int_eq(ipc_window_ack_delay(&w), INT64_MAX);
    ck_assert(ipc_window_receive(&w, 1));
    ck_assert_int_gt(ipc_window_ack_delay(&w), 0);
    ck_assert_int_lt(ipc_window_ack_delay(&w), 10);
    ck_assert(ipc_window_receive(&w, 2));
    ck_assert_int_eq(ipc_window_ack_delay(&w), 0);
    ck_assert_uint_eq(ipc_window_answer(&w), 2);
    ck_assert_int_eq(ipc_window_ack_delay(&w), INT64_MAX);
    ipc_window_reset(&w, 1); /* Stop and wait: each at once. */
    ck_assert(ipc_window_receive(&w, 1));
    ck_assert_int_eq(ipc_window_ack_delay(&w), 0);
}
END_TEST

START_TEST(window_has_room_for_its_size_and_opens_with_an_ack)
{
    struct ipc_window w;
    bool opened;

    ipc_window_reset(&w, 3);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_uint_eq(ipc_window_room(&w), 4 - i);
        ck_assert_uint_eq(ipc_window_next(&w), i);
    }
    ck_assert_uint_eq(ipc_window_room(&w), 0);
    ck_assert(ipc_window_ack(&w, 2, &opened));
    ck_assert(opened);
    ck_assert_uint_eq(ipc_window_room(&w), 2);
    ck_assert(ipc_window_ack(&w, 3, &opened));
    ck_assert(!opened);
    ck_assert_uint_eq(ipc_window_pending(&w), 0);
}
END_TEST

START_TEST(what_is_urgent_has_room_where_others_have_none)
{
    struct ipc_window w;
    bool opened;

    ipc_window_reset(&w, 3);
    for (unsigned i = 0; i < 3 + IPC_WINDOW_URGENT; i++) {
        ck_assert_uint_eq(ipc_window_room(&w), i < 3 ? 3 - i : 0);
        ck_assert(ipc_window_room_urgent(&w));
        ipc_window_next(&w);
    }
    ck_assert_uint_eq(ipc_window_room(&w), 0);
    ck_assert(!ipc_window_room_urgent(&w));
    ck_assert(ipc_window_ack(&w, 1, &opened));
    ck_assert(opened); /* For what is urgent. */
    ck_assert_uint_eq(ipc_window_room(&w), 0);
    ck_assert(ipc_window_room_urgent(&w));
    ck_assert(ipc_window_ack(&w, 1, &opened));
    ck_assert(!opened);
    ck_assert(ipc_window_ack(&w, 3, &opened));
    ck_assert(opened);
    ck_assert_uint_eq(ipc_window_room(&w), 1);
}
END_TEST

START_TEST(impossible_acks_and_gaps_are_noticed)
{
    struct ipc_window w;
    bool opened;

    ipc_window_reset(&w, 3);
    ck_assert(!ipc_window_ack(&w, 1, &opened));
    ipc_window_next(&w);
    ipc_window_next(&w);
    ck_assert(ipc_window_ack(&w, 2, &opened));
    ck_assert(!ipc_window_ack(&w, 1, &opened));
    ck_assert(!ipc_window_ack(&w, UINT64_MAX, &opened));
    ck_assert(!ipc_window_receive(&w, 0));
    ck_assert(!ipc_window_receive(&w, 2));
    ck_assert(ipc_window_receive(&w, 1));
    ck_assert(!ipc_window_receive(&w, 1));
    ck_assert(ipc_window_receive(&w, 2));
}
END_TEST

UNIT_MAIN("ipc/session", a_session_opens_at_once_and_is_up_with_welcome,
          an_idle_session_sends_heartbeats_and_dies_of_silence,
          a_session_that_is_heard_stays_up,
          first_retry_is_immediate_then_waits_double_up_to_the_maximum,
          a_session_that_lasted_is_retried_at_once_a_short_one_is_not,
          a_hello_without_answer_is_given_up_after_the_dead_time,
          a_new_server_epoch_is_reported_as_a_restart,
          welcome_of_another_version_or_out_of_place_ends_the_session,
          hello_is_checked_before_it_is_believed,
          a_twin_is_probed_but_the_same_process_or_a_silent_one_is_replaced,
          an_ack_waits_until_half_of_the_window_is_used,
          window_has_room_for_its_size_and_opens_with_an_ack,
          what_is_urgent_has_room_where_others_have_none,
          impossible_acks_and_gaps_are_noticed)
