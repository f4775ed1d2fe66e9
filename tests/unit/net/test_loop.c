#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "net/loop.h"

#define WAIT_MS 20000

static int calls[4];
static struct loop *loop;

static void setup(void)
{
    loop = loop_create();
    for (int i = 0; i < 4; i++) {
        calls[i] = 0;
    }
}

static bool is_positive(void *aux)
{
    return *(int *)aux > 0;
}

static void count(void *aux)
{
    ++*(int *)aux;
}

START_TEST(a_timer_fires_not_before_its_time)
{
    setup();
    struct loop_timer *t = loop_timer_create(loop, count, &calls[0]);
    int64_t start = loop_now();

    loop_timer_at(t, start + 20);
    ck_assert(loop_timer_is_set(t));
    ck_assert(loop_run_until(loop, is_positive, &calls[0], WAIT_MS));
    ck_assert_int_ge(loop_now(), start + 20);
    ck_assert(!loop_timer_is_set(t));
    loop_timer_destroy(t);
    loop_destroy(loop);
}
END_TEST

START_TEST(a_periodic_timer_repeats_and_a_cancelled_one_is_silent)
{
    setup();
    struct loop_timer *t = loop_timer_create(loop, count, &calls[0]);
    struct loop_timer *cancelled = loop_timer_create(loop, count, &calls[1]);

    loop_timer_once(cancelled, 0);
    loop_timer_cancel(cancelled);
    loop_timer_at(cancelled, INT64_MAX);
    for (int i = 0; i < 3; i++) {
        loop_timer_every(t, 1);
        calls[0] = 0;
        ck_assert(loop_run_until(loop, is_positive, &calls[0], WAIT_MS));
    }
    ck_assert_int_eq(calls[1], 0);
    loop_timer_destroy(t);
    loop_timer_destroy(cancelled);
    loop_destroy(loop);
}
END_TEST

START_TEST(waiting_for_a_condition_gives_up_in_time)
{
    setup();
    int64_t start = loop_now();

    ck_assert(!loop_run_until(loop, is_positive, &calls[0], 10));
    ck_assert_int_ge(loop_now(), start + 10);
    loop_destroy(loop);
}
END_TEST

static struct loop_defer *defers[3];

static void again(void *aux)
{
    if (++calls[0] < 100) {
        loop_defer_schedule(defers[0]);
    }
}

static void destroy_next(void *aux)
{
    calls[1]++;
    loop_defer_destroy(defers[2]);
    loop_defer_destroy(defers[1]);
}

START_TEST(deferred_calls_run_once_each_and_may_schedule_or_destroy)
{
    setup();
    defers[0] = loop_defer_create(loop, again, NULL);
    defers[1] = loop_defer_create(loop, destroy_next, NULL);
    defers[2] = loop_defer_create(loop, count, &calls[2]);
    for (int i = 0; i < 3; i++) {
        loop_defer_schedule(defers[i]);
        loop_defer_schedule(defers[i]);
    }
    while (calls[0] < 100) {
        loop_run_until(loop, is_positive, &calls[3], 1);
    }
    ck_assert_int_eq(calls[0], 100);
    ck_assert_int_eq(calls[1], 1);
    ck_assert_int_eq(calls[2], 0);
    loop_defer_destroy(defers[0]);
    loop_destroy(loop);
}
END_TEST

static void read_one(void *aux, int events)
{
    char c;

    ck_assert_int_eq(events, LOOP_READ);
    ck_assert_int_eq(read(*(int *)aux, &c, 1), 1);
    calls[1]++;
}

static void forever(void *aux)
{
    calls[0]++;
    loop_defer_schedule(defers[0]);
}

START_TEST(a_deferred_call_that_repeats_does_not_starve_descriptors)
{
    int fds[2];

    setup();
    ck_assert_int_eq(pipe(fds), 0);
    defers[0] = loop_defer_create(loop, forever, NULL);
    struct loop_fd *fd = loop_fd_create(loop, fds[0], LOOP_READ, read_one, &fds[0]);
    loop_defer_schedule(defers[0]);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert(loop_run_until(loop, is_positive, &calls[1], WAIT_MS));
    ck_assert_int_lt(calls[0], 10);
    loop_fd_destroy(fd);
    loop_defer_destroy(defers[0]);
    loop_destroy(loop);
}
END_TEST

START_TEST(a_paused_descriptor_is_silent_until_resumed)
{
    int fds[2];

    setup();
    ck_assert_int_eq(pipe(fds), 0);
    struct loop_fd *fd = loop_fd_create(loop, fds[0], 0, read_one, &fds[0]);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert(!loop_run_until(loop, is_positive, &calls[1], 10));
    loop_fd_set_events(fd, LOOP_READ);
    ck_assert(loop_run_until(loop, is_positive, &calls[1], WAIT_MS));
    loop_fd_destroy(fd);
    loop_destroy(loop);
}
END_TEST

START_TEST(a_signal_is_an_ordinary_callback)
{
    setup();
    struct loop_signal *s = loop_signal_create(loop, SIGUSR1, count, &calls[0]);

    raise(SIGUSR1);
    ck_assert(loop_run_until(loop, is_positive, &calls[0], WAIT_MS));
    loop_signal_destroy(s);
    loop_destroy(loop);
}
END_TEST

static void *wake(void *async)
{
    loop_async_send(async);
    return NULL;
}

START_TEST(another_thread_can_wake_the_loop)
{
    pthread_t thread;

    setup();
    struct loop_async *a = loop_async_create(loop, count, &calls[0]);
    ck_assert_int_eq(pthread_create(&thread, NULL, wake, a), 0);
    ck_assert(loop_run_until(loop, is_positive, &calls[0], WAIT_MS));
    pthread_join(thread, NULL);
    loop_async_destroy(a);
    loop_destroy(loop);
}
END_TEST

static void stop_loop(void *aux)
{
    loop_stop(loop);
}

START_TEST(stop_ends_run)
{
    setup();
    struct loop_timer *t = loop_timer_create(loop, stop_loop, NULL);

    loop_timer_once(t, 0);
    loop_run(loop);
    loop_timer_destroy(t);
    loop_destroy(loop);
}
END_TEST

UNIT_MAIN("net/loop", a_timer_fires_not_before_its_time,
          a_periodic_timer_repeats_and_a_cancelled_one_is_silent,
          waiting_for_a_condition_gives_up_in_time,
          deferred_calls_run_once_each_and_may_schedule_or_destroy,
          a_deferred_call_that_repeats_does_not_starve_descriptors,
          a_paused_descriptor_is_silent_until_resumed, a_signal_is_an_ordinary_callback,
          another_thread_can_wake_the_loop, stop_ends_run)
