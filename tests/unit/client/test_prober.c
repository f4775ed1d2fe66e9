#include "unit.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>

#include "prober.h"

static struct prober *p;
static int64_t now;
static int n_probes, n_lost;
static enum nl_probe last_how;
static struct ip_addr last_addr;
static int probe_error;
static bool port_up = true;

static bool wanted(void *aux, uint32_t ifindex)
{
    return port_up;
}

static int probe(void *aux, uint32_t ifindex, const struct ip_addr *addr,
                 enum nl_probe how)
{
    n_probes++;
    last_how = how;
    last_addr = *addr;
    return probe_error;
}

static void lost(void *aux, uint32_t ifindex, const struct ip_addr *addr)
{
    n_lost++;
    last_addr = *addr;
}

static const struct prober_ops ops = {wanted, probe, lost};

static void teardown(void)
{
    prober_destroy(p);
}

/* Another one instead of that of setup(). */
static void make(unsigned max_in_flight)
{
    struct prober_config config = PROBER_DEFAULTS;

    teardown();
    config.max_in_flight = max_in_flight;
    p = prober_create(&config);
    now = 0;
    n_lost = 0;
}

static void setup(void)
{
    make(10);
}

static struct ip_addr ip(const char *text)
{
    struct ip_addr a;

    ck_assert(ip_parse(text, &a));
    return a;
}

/* 10.0.0.1 and those that follow. */
static struct ip_addr nth(int i)
{
    return ip_from_v4(10u << 24 | (uint32_t)(i / 250) << 8 | (uint32_t)(i % 250 + 1));
}

/* What the kernel says of a neighbour. */
static bool neigh(struct ip_addr a, bool usable, uint16_t nud)
{
    return prober_neigh(p, 2, &a, usable, nud, now);
}

static void gateways(int n)
{
    prober_gateways_begin(p);
    for (int i = 0; i < n; i++) {
        struct ip_addr a = nth(i);
        prober_gateway(p, 2, &a, now);
    }
    prober_gateways_end(p);
}

/* Runs at each wake-up until `end`; returns the probes made. */
static int run_until(int64_t end)
{
    int before = n_probes;

    while (prober_wakeup(p) <= end) {
        now = MAX(now, prober_wakeup(p));
        prober_run(p, now, &ops, NULL);
    }
    now = end;
    return n_probes - before;
}

START_TEST(gateway_is_resolved_at_once_and_again_with_growing_intervals)
{
    struct ip_addr a = ip("10.0.0.1");
    int64_t previous = 0, gaps[8];

    gateways(1);
    for (int i = 0; i < 8; i++) {
        while (n_probes == i) {
            now = MAX(now, prober_wakeup(p));
            prober_run(p, now, &ops, NULL);
        }
        ck_assert_int_eq(last_how, NL_PROBE_RESOLVE);
        gaps[i] = now - previous;
        now += 3000; /* The kernel gives up. */
        neigh(a, false, NUD_FAILED);
        previous = now;
    }
    static const int64_t expected[] = {0, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(gaps[i], expected[i]);
    }
    ck_assert_uint_eq(prober_unresolved(p), 1);
    neigh(a, true, NUD_REACHABLE);
    ck_assert_uint_eq(prober_unresolved(p), 0);
    ck_assert_int_eq(run_until(now + 60000), 0);
}
END_TEST

START_TEST(number_in_flight_is_bounded_and_all_get_their_turn)
{
    make(8);
    gateways(500);
    prober_run(p, now, &ops, NULL);
    ck_assert_int_eq(n_probes, 8);
    ck_assert_uint_eq(prober_in_flight(p), 8);
    for (int i = 0; i < 500; i++) { /* Each answer makes room for the next. */
        neigh(nth(i), true, NUD_REACHABLE);
        prober_run(p, now, &ops, NULL);
        ck_assert_uint_le(prober_in_flight(p), 8);
    }
    ck_assert_int_eq(n_probes, 500);
    ck_assert_uint_eq(prober_in_flight(p), 0);
}
END_TEST

START_TEST(lost_answers_do_not_block_the_others)
{
    make(4);
    gateways(12);
    ck_assert_int_ge(run_until(20000), 12);
    ck_assert_uint_le(prober_in_flight(p), 4);
}
END_TEST

START_TEST(stale_neighbours_are_validated_at_the_configured_interval)
{
    struct ip_addr a = ip("10.0.0.9");

    neigh(a, true, NUD_REACHABLE);
    now = 20000;
    neigh(a, true, NUD_STALE);
    ck_assert_int_eq(run_until(29999), 0);
    ck_assert_int_eq(run_until(30000), 1);
    ck_assert_int_eq(last_how, NL_PROBE_VALIDATE);
    neigh(a, true, NUD_PROBE);
    ck_assert_uint_eq(prober_in_flight(p), 1);
    neigh(a, true, NUD_REACHABLE);
    ck_assert_uint_eq(prober_in_flight(p), 0);
    now = 70000; /* Stale for long already when it is said. */
    neigh(a, true, NUD_STALE);
    ck_assert_int_eq(run_until(70000), 1);
    neigh(a, false, NUD_FAILED);
    ck_assert_int_eq(run_until(200000), 0); /* A host: it is gone. */
}
END_TEST

START_TEST(gateway_that_fails_is_resolved_anew_at_once)
{
    struct ip_addr a = ip("10.0.0.1");

    neigh(a, true, NUD_STALE);
    gateways(1);
    ck_assert_int_eq(run_until(30000), 1);
    ck_assert_int_eq(last_how, NL_PROBE_VALIDATE);
    neigh(a, false, NUD_FAILED);
    ck_assert_int_eq(run_until(30000), 1);
    ck_assert_int_eq(last_how, NL_PROBE_RESOLVE);
}
END_TEST

START_TEST(permanent_neighbours_are_left_alone)
{
    struct ip_addr a = ip("10.0.0.1");

    neigh(a, true, NUD_PERMANENT);
    gateways(1);
    ck_assert_int_eq(run_until(10000000), 0);
}
END_TEST

START_TEST(gateway_without_route_is_forgotten)
{
    gateways(5);
    ck_assert_int_eq(run_until(0), 5);
    gateways(0);
    ck_assert_uint_eq(prober_in_flight(p), 0);
    ck_assert_int_eq(run_until(100000), 0);
}
END_TEST

START_TEST(nothing_is_asked_on_a_port_that_is_down_until_it_comes_up)
{
    port_up = false;
    gateways(1);
    ck_assert_int_eq(run_until(100000), 0);
    port_up = true;
    prober_interface_up(p, 2, now);
    ck_assert_int_eq(run_until(now), 1);
}
END_TEST

START_TEST(probe_that_the_kernel_refuses_is_backed_off)
{
    make(1);
    probe_error = ENETDOWN;
    gateways(1);
    ck_assert_int_eq(run_until(100000), 8); /* 0 1 3 7 15 31 61 91 s */
    ck_assert_uint_eq(prober_in_flight(p), 0);
}
END_TEST

/* In doubt. */

START_TEST(neighbour_that_the_kernel_forgot_stays_one_while_it_answers)
{
    static const uint16_t forgetting[][2] = {{0, 0}, {NUD_FAILED, 0}};
    struct ip_addr a = ip("10.0.0.1");

    for (int gateway = 0; gateway < 2; gateway++) {
        for (unsigned how = 0; how < ARRAY_SIZE(forgetting); how++) {
            make(10);
            ck_assert(neigh(a, true, NUD_STALE));
            gateways(gateway);
            /* Garbage collection, and `ip neigh del`, which says FAILED first. */
            ck_assert(neigh(a, false, forgetting[how][0]));
            ck_assert(neigh(a, false, forgetting[how][1]));
            ck_assert_uint_eq(prober_unresolved(p), 0);
            ck_assert_int_eq(run_until(now), 1);
            ck_assert_int_eq(last_how, NL_PROBE_RESOLVE);
            ck_assert(neigh(a, false, NUD_INCOMPLETE));
            now++;
            ck_assert(neigh(a, true, NUD_REACHABLE));
            ck_assert_int_eq(run_until(now + 20000), 0);
            ck_assert_int_eq(n_lost, 0);
            ck_assert_uint_eq(prober_in_flight(p), 0);
        }
    }
}
END_TEST

START_TEST(neighbour_in_doubt_that_does_not_answer_is_none)
{
    const struct ip_addr host = ip("10.0.0.9"), gateway = ip("10.0.0.1");

    for (int i = 0; i < 2; i++) {
        const struct ip_addr a = i ? gateway : host;
        neigh(a, true, NUD_REACHABLE);
        gateways(i);
        ck_assert(neigh(a, false, 0));
        ck_assert_int_eq(run_until(now), 1);
        now += 3000;
        ck_assert(!neigh(a, false, NUD_FAILED));
        ck_assert_uint_eq(prober_unresolved(p), (unsigned)i);
    }
    ck_assert_int_eq(run_until(now + 999), 0);
    ck_assert_int_eq(run_until(now + 1), 1); /* The gateway, with back-off. */
    ck_assert_int_eq(n_lost, 0);             /* It was said at once. */
}
END_TEST

START_TEST(doubt_ends_when_nothing_is_heard)
{
    struct ip_addr a = ip("10.0.0.9");

    neigh(a, true, NUD_REACHABLE);
    neigh(a, false, 0);
    run_until(DOUBT_MS - 1);
    ck_assert_int_eq(n_lost, 0);
    run_until(DOUBT_MS);
    ck_assert_int_eq(n_lost, 1);
    ck_assert(ip_equal(&last_addr, &a));
    ck_assert_int_eq(prober_wakeup(p), INT64_MAX);
    ck_assert_uint_eq(prober_in_flight(p), 0);
}
END_TEST

START_TEST(while_the_kernels_table_is_full_a_neighbour_in_doubt_is_tried_again)
{
    struct ip_addr a = ip("10.0.0.9");

    neigh(a, true, NUD_STALE);
    neigh(a, false, 0);
    probe_error = ENOBUFS;
    ck_assert_int_eq(run_until(2000), 9);
    probe_error = 0;
    ck_assert_int_eq(run_until(2250), 1);
    /* It found room and lost it again. */
    ck_assert(neigh(a, false, NUD_INCOMPLETE));
    ck_assert(neigh(a, false, 0));
    ck_assert_int_eq(run_until(2500), 1);
    ck_assert(neigh(a, true, NUD_REACHABLE));
    ck_assert_int_eq(run_until(10000), 0);
    ck_assert_int_eq(n_lost, 0);
}
END_TEST

START_TEST(no_doubt_about_one_that_was_asked_or_is_beyond_asking)
{
    struct ip_addr a = ip("10.0.0.9");

    neigh(a, true, NUD_STALE);
    neigh(a, true, NUD_PROBE);
    ck_assert(!neigh(a, false, NUD_FAILED));
    ck_assert(!neigh(a, false, 0));

    neigh(a, true, NUD_PERMANENT);
    ck_assert(!neigh(a, false, 0));

    neigh(a, true, NUD_REACHABLE);
    prober_neigh_gone(p, 2, &a, now);
    ck_assert(!neigh(a, false, 0));

    neigh(a, true, NUD_REACHABLE);
    port_up = false;
    ck_assert(neigh(a, false, 0));
    ck_assert_int_eq(run_until(now), 0);
    ck_assert_int_eq(n_lost, 1);
    ck_assert_int_eq(run_until(100000), 0);
}
END_TEST

START_TEST(thousands_in_doubt_are_asked_a_few_at_a_time)
{
    make(8);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 500; i++) {
            ck_assert(neigh(nth(i), !round, round ? 0 : NUD_STALE));
        }
    }
    while (n_probes < 500) {
        prober_run(p, now, &ops, NULL);
        ck_assert_uint_le(prober_in_flight(p), 8);
        for (int i = n_probes - (int)prober_in_flight(p); i < n_probes; i++) {
            neigh(nth(i), true, NUD_REACHABLE);
        }
        now += 10;
    }
    ck_assert_int_eq(n_lost, 0);
}
END_TEST

UNIT_MAIN_WITH("client/prober", setup, teardown,
               gateway_is_resolved_at_once_and_again_with_growing_intervals,
               number_in_flight_is_bounded_and_all_get_their_turn,
               lost_answers_do_not_block_the_others,
               stale_neighbours_are_validated_at_the_configured_interval,
               gateway_that_fails_is_resolved_anew_at_once,
               permanent_neighbours_are_left_alone, gateway_without_route_is_forgotten,
               nothing_is_asked_on_a_port_that_is_down_until_it_comes_up,
               probe_that_the_kernel_refuses_is_backed_off,
               neighbour_that_the_kernel_forgot_stays_one_while_it_answers,
               neighbour_in_doubt_that_does_not_answer_is_none,
               doubt_ends_when_nothing_is_heard,
               while_the_kernels_table_is_full_a_neighbour_in_doubt_is_tried_again,
               no_doubt_about_one_that_was_asked_or_is_beyond_asking,
               thousands_in_doubt_are_asked_a_few_at_a_time)
