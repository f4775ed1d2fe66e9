#include "unit.h"

#include "bench.h"

/* A DEALER that knows nothing of our protocol. */
static int raw_replies, raw_lost;
static char raw_reply[MSG_ERR_LEN];

static void raw_message(void *aux, const struct zframe *frames, size_t n_frames)
{
    char error[MSG_ERR_LEN];
    struct msg m;

    ck_assert(msg_decode(frames[0].data, frames[0].n, &m, error));
    str_copy(raw_reply, msg_type_name(m.type), sizeof raw_reply);
    raw_replies++;
}

static void raw_disconnected(void *aux)
{
    raw_lost++;
}

static struct zsock *raw_start(void)
{
    static const struct zsock_ops ops = {.message = raw_message,
                                         .disconnected = raw_disconnected};
    struct zsock_config config = {.monitor = true, .hwm = 100000};
    int error;
    struct zsock *raw =
        zsock_create(b.loop, b.ctx, ZSOCK_DEALER, &config, &ops, NULL, &error);

    raw_replies = raw_lost = 0;
    ck_assert_ptr_nonnull(raw);
    ck_assert_int_eq(zsock_connect(raw, b.endpoint), 0);
    return raw;
}

static void raw_send(struct zsock *raw, const void *data, size_t n)
{
    ck_assert_int_eq(zsock_send(raw, &(struct zframe){data, n}, 1), 0);
}

static void raw_send_msg(struct zsock *raw, const struct msg *m)
{
    struct buf out = {0};

    msg_encode(m, &out);
    raw_send(raw, out.data, out.len);
    buf_uninit(&out);
}

START_TEST(garbage_is_logged_with_a_limit_and_disturbs_nobody)
{
    struct end e;
    int lines = 0;

    bench_start();
    client_start(&e, 5, 100, NULL);
    WAIT_FOR(e.ups, 1);
    struct zsock *raw = raw_start();
    for (int i = 0; i < 500; i++) {
        uint8_t garbage[64];
        for (size_t k = 0; k < sizeof garbage; k++) {
            garbage[k] = (uint8_t)(i * 31 + (int)k * 7);
        }
        raw_send(raw, garbage, (size_t)i % sizeof garbage);
        raw_send(raw, "\x05\0\0\0\0", 5);
    }
    struct zframe three[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    ck_assert_int_eq(zsock_send(raw, three, 3), 0);
    /* A message that is in order, from nobody we know. */
    raw_send_msg(raw, &(struct msg){.type = MSG_HEARTBEAT});
    WAIT_FOR(raw_replies, 1);
    ck_assert_str_eq(raw_reply, "BYE");
    for (const char *p = b.log; (p = strstr(p, "bad message")); p++) {
        lines++;
    }
    ck_assert_int_ge(lines, 1);
    ck_assert_int_le(lines, 10);
    ck_assert(ipc_client_is_up(e.c));
    ck_assert_int_eq(e.downs, 0);
    zsock_destroy(raw);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

START_TEST(an_oversize_message_costs_its_sender_the_connection)
{
    static uint8_t huge[WIRE_MSG_MAX + 1];
    struct end e;

    bench_start();
    client_start(&e, 5, 100, NULL);
    WAIT_FOR(e.ups, 1);
    struct zsock *raw = raw_start();
    raw_send(raw, huge, sizeof huge);
    WAIT_FOR(raw_lost, 1);
    ck_assert(ipc_client_is_up(e.c));
    ck_assert_int_eq(e.downs, 0);
    zsock_destroy(raw);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

static const struct msg raw_hello = {.type = MSG_HELLO,
                                     .hello = {WIRE_VERSION, ROLE_CLIENT, 9, 1, "raw"}};

START_TEST(a_peer_that_breaks_the_rules_loses_its_session)
{
    static const uint8_t record[] = {1};
    const struct msg breaches[] = {
        {.type = MSG_DP_DOWN, .dp_down = {1, 1, "not a proxy"}},
        {.type = MSG_ACK, .ack = {1}},
        {.type = MSG_BATCH, .batch = {2, 9, {record, 1}}},
        {.type = MSG_HELLO, .hello = raw_hello.hello},
    };

    bench_start();
    for (size_t i = 0; i < ARRAY_SIZE(breaches); i++) {
        struct zsock *raw = raw_start();
        raw_send_msg(raw, &raw_hello);
        WAIT_FOR(raw_replies, 1);
        ck_assert_str_eq(raw_reply, "WELCOME");
        raw_send_msg(raw, &breaches[i]);
        WAIT_FOR(raw_replies, 2);
        ck_assert_str_eq(raw_reply, "BYE");
        WAIT_FOR(b.downs, (int)i + 1);
        zsock_destroy(raw);
    }
    bench_stop();
}
END_TEST

START_TEST(hello_of_another_version_is_refused)
{
    struct msg hello = raw_hello;

    bench_start();
    struct zsock *raw = raw_start();
    hello.hello.version = WIRE_VERSION + 1;
    raw_send_msg(raw, &hello);
    WAIT_FOR(raw_replies, 1);
    ck_assert_str_eq(raw_reply, "REFUSED");
    ck_assert_int_eq(b.ups, 0);
    zsock_destroy(raw);
    bench_stop();
}
END_TEST

UNIT_MAIN("ipc/breaches", garbage_is_logged_with_a_limit_and_disturbs_nobody,
          an_oversize_message_costs_its_sender_the_connection,
          a_peer_that_breaks_the_rules_loses_its_session,
          hello_of_another_version_is_refused)
