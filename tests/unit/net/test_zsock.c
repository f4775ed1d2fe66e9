#include "unit.h"

#include <errno.h>
#include <string.h>

#include "net/zsock.h"

#define WAIT_MS 20000

static struct loop *loop;
static struct zctx *ctx;

struct end {
    struct zsock *z;
    int messages, writable, connected, disconnected;
    size_t frames, bytes;
    uint8_t route[16];
    size_t route_len;
    bool echo, destroy;
};

static void on_message(void *aux, const struct zframe *frames, size_t n)
{
    struct end *e = aux;

    e->messages++;
    e->frames = n;
    e->bytes = frames[n - 1].n;
    if (n == 2 && frames[0].n <= sizeof e->route) {
        memcpy(e->route, frames[0].data, frames[0].n);
        e->route_len = frames[0].n;
    }
    if (e->echo) {
        ck_assert_int_eq(zsock_send(e->z, frames, n), 0);
    }
    if (e->destroy) {
        zsock_destroy(e->z);
        e->z = NULL;
    }
}

static void on_writable(void *aux)
{
    ((struct end *)aux)->writable++;
}

static void on_connected(void *aux)
{
    ((struct end *)aux)->connected++;
}

static void on_disconnected(void *aux)
{
    ((struct end *)aux)->disconnected++;
}

static const struct zsock_ops ops = {on_message, on_writable, on_connected,
                                     on_disconnected};

static void open_end(struct end *e, enum zsock_type type, int hwm)
{
    struct zsock_config config = {.monitor = type == ZSOCK_DEALER, .hwm = hwm};
    int error = 0;

    memset(e, 0, sizeof *e);
    e->z = zsock_create(loop, ctx, type, &config, &ops, e, &error);
    ck_assert_msg(e->z != NULL, "%s", zsock_strerror(error));
}

static struct end router, dealer;

static void start(int hwm)
{
    loop = loop_create();
    ctx = zctx_create();
    open_end(&router, ZSOCK_ROUTER, hwm);
    open_end(&dealer, ZSOCK_DEALER, hwm);
    ck_assert_int_eq(zsock_bind(router.z, "tcp://127.0.0.1:*"), 0);
    ck_assert_int_eq(zsock_connect(dealer.z, zsock_last_endpoint(router.z)), 0);
}

static void finish(void)
{
    zsock_destroy(router.z);
    zsock_destroy(dealer.z);
    zctx_destroy(ctx);
    loop_destroy(loop);
}

struct at_least {
    const int *value;
    int wanted;
};

static bool is_reached(void *aux)
{
    struct at_least *a = aux;
    return *a->value >= a->wanted;
}

static void wait_for(const int *value, int wanted)
{
    struct at_least a = {value, wanted};
    ck_assert_msg(loop_run_until(loop, is_reached, &a, WAIT_MS), "%d, not %d", *value,
                  wanted);
}

static int send_text(struct end *e, const char *text)
{
    return zsock_send(e->z, &(struct zframe){text, strlen(text)}, 1);
}

START_TEST(no_message_is_forgotten_by_the_edge_triggered_descriptor)
{
    start(0);
    router.echo = true;
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 500; k++) {
            ck_assert_int_eq(send_text(&dealer, "hello"), 0);
        }
        wait_for(&dealer.messages, 500 * (i + 1));
    }
    ck_assert_int_eq(router.messages, 10000);
    ck_assert_uint_eq(router.frames, 2);
    ck_assert_uint_eq(dealer.frames, 1);
    ck_assert_uint_eq(dealer.bytes, 5);
    finish();
}
END_TEST

START_TEST(one_message_at_a_time_makes_the_round_trip_a_thousand_times)
{
    start(0);
    router.echo = true;
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(send_text(&dealer, "x"), 0);
        wait_for(&dealer.messages, i + 1);
    }
    finish();
}
END_TEST

START_TEST(a_full_queue_says_eagain_and_then_writable)
{
    int error = 0;

    start(10);
    wait_for(&dealer.connected, 1);
    for (int i = 0; i < 1000000 && !error; i++) {
        static const uint8_t block[100000];
        error = zsock_send(dealer.z, &(struct zframe){block, sizeof block}, 1);
    }
    ck_assert_int_eq(error, EAGAIN);
    ck_assert_int_eq(dealer.writable, 0);
    wait_for(&dealer.writable, 1);
    finish();
}
END_TEST

START_TEST(sending_to_a_peer_that_is_gone_says_ehostunreach)
{
    struct zframe frames[2] = {{"nobody", 6}, {"x", 1}};

    start(0);
    ck_assert_int_eq(zsock_send(router.z, frames, 2), EHOSTUNREACH);
    ck_assert_int_eq(send_text(&dealer, "x"), 0);
    wait_for(&router.messages, 1);
    frames[0] = (struct zframe){router.route, router.route_len};
    ck_assert_int_eq(zsock_send(router.z, frames, 2), 0);
    wait_for(&dealer.messages, 1);
    zsock_destroy(dealer.z);
    dealer.z = NULL;
    int error = 0;
    for (int64_t end = loop_now() + WAIT_MS;
         error != EHOSTUNREACH && loop_now() < end;) {
        zsock_settle(router.z);
        error = zsock_send(router.z, frames, 2); /* Or EAGAIN, until it is known. */
    }
    ck_assert_int_eq(error, EHOSTUNREACH);
    finish();
}
END_TEST

START_TEST(connection_and_its_end_are_reported)
{
    start(0);
    wait_for(&dealer.connected, 1);
    ck_assert_int_eq(dealer.disconnected, 0);
    zsock_destroy(router.z);
    router.z = NULL;
    wait_for(&dealer.disconnected, 1);
    finish();
}
END_TEST

START_TEST(a_message_of_too_many_frames_is_dropped_and_counted)
{
    struct zframe frames[ZSOCK_MAX_FRAMES]; /* And the routing id. */

    for (int i = 0; i < ZSOCK_MAX_FRAMES; i++) {
        frames[i] = (struct zframe){"x", 1};
    }
    start(0);
    ck_assert_int_eq(zsock_send(dealer.z, frames, ZSOCK_MAX_FRAMES), 0);
    ck_assert_int_eq(zsock_send(dealer.z, frames, 1), 0);
    wait_for(&router.messages, 1);
    ck_assert_uint_eq(router.frames, 2);
    ck_assert_uint_eq(zsock_dropped(router.z), 1);
    finish();
}
END_TEST

START_TEST(a_socket_may_be_destroyed_in_its_callback)
{
    start(0);
    router.destroy = true;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(send_text(&dealer, "x"), 0);
    }
    wait_for(&router.messages, 1);
    ck_assert_ptr_null(router.z);
    wait_for(&dealer.disconnected, 1);
    ck_assert_int_eq(router.messages, 1);
    finish();
}
END_TEST

START_TEST(a_flood_leaves_room_for_others)
{
    struct end a, z;

    start(0);
    open_end(&a, ZSOCK_PAIR, 0);
    open_end(&z, ZSOCK_PAIR, 0);
    ck_assert_int_eq(zsock_bind(a.z, "inproc://pair"), 0);
    ck_assert_int_eq(zsock_connect(z.z, "inproc://pair"), 0);
    wait_for(&dealer.connected, 1);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(send_text(&a, "x"), 0);
    }
    ck_assert_int_eq(send_text(&dealer, "x"), 0);
    wait_for(&z.messages, 1);
    ck_assert_int_le(z.messages, 2 * ZSOCK_SLICE);
    wait_for(&router.messages, 1);
    wait_for(&z.messages, 1000);
    zsock_destroy(a.z);
    zsock_destroy(z.z);
    finish();
}
END_TEST

START_TEST(bad_endpoints_are_errors)
{
    start(0);
    ck_assert_int_eq(zsock_connect(dealer.z, "nonsense"), EINVAL);
    ck_assert_int_ne(zsock_bind(router.z, "tcp://300.1.1.1:1"), 0);
    ck_assert_int_ne(zsock_bind(router.z, "ipc:///nonexistent/dir/x"), 0);
    finish();
}
END_TEST

UNIT_MAIN("net/zsock", no_message_is_forgotten_by_the_edge_triggered_descriptor,
          one_message_at_a_time_makes_the_round_trip_a_thousand_times,
          a_full_queue_says_eagain_and_then_writable,
          sending_to_a_peer_that_is_gone_says_ehostunreach,
          connection_and_its_end_are_reported,
          a_message_of_too_many_frames_is_dropped_and_counted,
          a_socket_may_be_destroyed_in_its_callback, a_flood_leaves_room_for_others,
          bad_endpoints_are_errors)
