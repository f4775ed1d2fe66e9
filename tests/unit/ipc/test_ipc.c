#include "unit.h"

#include "bench.h"

START_TEST(client_gets_a_session_and_loses_it_with_bye)
{
    struct end e;

    bench_start();
    client_start(&e, 5, 100, "rfclient@a:1");
    WAIT_FOR(e.ups, 1);
    ck_assert_int_eq(b.ups, 1);
    ck_assert_uint_eq(ipc_peer_id(b.last), 5);
    ck_assert_int_eq(ipc_peer_role(b.last), ROLE_CLIENT);
    ck_assert_str_eq(ipc_peer_name(b.last), "rfclient@a:1");
    ck_assert_ptr_eq(ipc_server_find(b.server, ROLE_CLIENT, 5), b.last);
    ck_assert_str_eq(ipc_client_state(e.c), "up");
    ipc_client_destroy(e.c);
    WAIT_FOR(b.downs, 1);
    ck_assert_str_eq(b.down_reason, "stopped");
    ck_assert_ptr_null(ipc_server_find(b.server, ROLE_CLIENT, 5));
    bench_stop();
}
END_TEST

START_TEST(client_waits_for_a_server_that_starts_later)
{
    struct end e;

    bench_start();
    ipc_server_destroy(b.server);
    client_start(&e, 5, 100, NULL);
    loop_run_until(b.loop, never, NULL, 100);
    ck_assert_int_eq(e.ups, 0);
    start_server(2);
    WAIT_FOR(e.ups, 1);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

START_TEST(a_restarted_server_is_noticed_and_resynced)
{
    struct end e;

    bench_start();
    client_start(&e, 5, 100, NULL);
    WAIT_FOR(e.ups, 1);
    ipc_server_destroy(b.server);
    WAIT_FOR(e.downs, 1);
    start_server(2);
    WAIT_FOR(e.ups, 2);
    ck_assert_int_eq(e.restarts, 1);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

START_TEST(a_dropped_client_comes_back_by_itself)
{
    struct end e;

    bench_start();
    client_start(&e, 5, 100, NULL);
    WAIT_FOR(e.ups, 1);
    ipc_peer_drop(b.last, "for the test");
    ck_assert_int_eq(b.downs, 0); /* Never from inside. */
    WAIT_FOR(e.ups, 2);
    ck_assert_str_eq(e.down_reason, "for the test");
    ck_assert_int_eq(e.restarts, 0);
    ck_assert_int_eq(b.downs, 1);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

START_TEST(a_second_client_of_the_same_id_is_refused_until_the_first_is_gone)
{
    struct end first, second;
    int refused = 0;

    bench_start();
    client_start(&first, 5, 100, "rfclient@a:1");
    WAIT_FOR(first.ups, 1);
    client_start(&second, 5, 200, "rfclient@b:1");
    for (int i = 0; i < 2000 && !refused; i++) {
        loop_run_until(b.loop, never, NULL, 10);
        refused = !strncmp(ipc_client_state(second.c), "refused:", 8);
    }
    ck_assert_str_eq(ipc_client_state(second.c),
                     "refused: id 0x5 is in use by rfclient@a:1");
    ck_assert_ptr_nonnull(strstr(b.log, "rfclient@b:1 at"));
    ck_assert_int_eq(first.downs, 0);
    ck_assert_int_eq(b.ups, 1);
    ipc_client_destroy(first.c);
    WAIT_FOR(second.ups, 1);
    ck_assert_int_eq(b.downs, 1);
    ipc_client_destroy(second.c);
    bench_stop();
}
END_TEST

/* A process of its own that has a session until it is killed. */
static pid_t spawn_client(void)
{
    pid_t pid = fork();

    if (!pid) {
        struct ipc_client_config config = {.endpoint = b.endpoint,
                                           .role = ROLE_CLIENT,
                                           .id = 5,
                                           .epoch = 300,
                                           .name = "rfclient@a:1",
                                           .timing = timing};
        struct loop *loop = loop_create(); /* Nothing of the parent's is touched. */
        struct zctx *ctx = zctx_create();
        static const struct ipc_client_ops ops = {0};
        ipc_client_create(loop, ctx, &config, &ops, NULL);
        loop_run(loop);
        _exit(0);
    }
    return pid;
}

START_TEST(a_killed_and_restarted_client_gets_in_long_before_the_dead_time)
{
    struct end e;

    bench_start();
    pid_t pid = spawn_client();
    WAIT_FOR(b.ups, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int64_t killed = loop_now();
    client_start(&e, 5, 100, "rfclient@a:2");
    WAIT_FOR(e.ups, 1);
    ck_assert_int_lt(loop_now() - killed, timing.dead_ms / 2);
    ck_assert_int_eq(b.downs, 1);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

START_TEST(a_frozen_client_is_dead_after_the_dead_time)
{
    bench_start();
    pid_t pid = spawn_client();
    WAIT_FOR(b.ups, 1);
    kill(pid, SIGSTOP);
    int64_t stopped = loop_now();
    WAIT_FOR(b.downs, 1);
    ck_assert_str_eq(b.down_reason, "it is silent");
    ck_assert_int_ge(loop_now() - stopped, timing.dead_ms - 500);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    bench_stop();
}
END_TEST

START_TEST(a_hundred_thousand_records_arrive_in_order)
{
    enum { TOTAL = 100000 };
    struct buf records = {0};
    uint64_t n = 0;
    struct end e;

    bench_start();
    client_start(&e, 5, 100, NULL);
    WAIT_FOR(e.ups, 1);
    int sent = 0;
    while (n < TOTAL) {
        while (ipc_client_batch_room(e.c) && n < TOTAL) {
            buf_clear(&records);
            put_routes(&records, &n, 8192);
            ck_assert_int_eq(ipc_client_batch_send(e.c, 5, &records, false), 0);
            sent++;
        }
        if (!ipc_client_batch_room(e.c)) {
            WAIT_FOR(e.opened, e.opened + 1);
        }
    }
    while (b.records < n) {
        ck_assert_int_eq(e.downs, 0);
        loop_run_until(b.loop, never, NULL, 1);
    }
    ck_assert_uint_ge(b.records, TOTAL);
    ck_assert_uint_eq(b.batches, (uint64_t)sent);
    buf_uninit(&records);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

START_TEST(a_receiver_that_does_not_acknowledge_blocks_the_sender_at_the_window)
{
    static const struct ipc_timing defaults = IPC_TIMING_DEFAULTS;
    struct buf records = {0};
    uint64_t n = 0;
    unsigned sent = 0;
    struct end e;

    bench_start();
    client_start(&e, 5, 100, NULL);
    WAIT_FOR(e.ups, 1);
    /* The client's loop is ours, and does not run: nothing is acknowledged. */
    for (;;) {
        buf_clear(&records);
        put_routes(&records, &n, WIRE_BATCH_MAX);
        if (ipc_peer_batch_send(b.last, 5, &records)) {
            break;
        }
        sent++;
    }
    ck_assert_uint_eq(sent, defaults.window);
    ck_assert_int_eq(ipc_peer_batch_send(b.last, 5, &records), EAGAIN);
    ck_assert_uint_eq(ipc_peer_batch_room(b.last), 0);
    ck_assert_uint_eq(ipc_peer_batch_pending(b.last), defaults.window);
    WAIT_FOR(b.opened, 1);
    ck_assert_uint_gt(ipc_peer_batch_room(b.last), 0);
    while (ipc_peer_batch_pending(b.last)) {
        ck_assert_int_eq(e.downs, 0);
        loop_run_until(b.loop, never, NULL, 1);
    }
    ck_assert_uint_gt(e.records, 0);
    ck_assert_int_eq(b.opened, 1);
    buf_uninit(&records);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

START_TEST(empty_and_oversize_batches_are_not_sent)
{
    struct buf records = {0};
    struct end e;

    bench_start();
    client_start(&e, 5, 100, NULL);
    ck_assert_int_eq(ipc_client_batch_send(e.c, 5, &records, false), ENOTCONN);
    WAIT_FOR(e.ups, 1);
    ck_assert_int_eq(ipc_client_batch_send(e.c, 5, &records, false), EMSGSIZE);
    buf_put_zeros(&records, WIRE_BATCH_MAX + 1);
    ck_assert_int_eq(ipc_client_batch_send(e.c, 5, &records, false), EMSGSIZE);
    buf_uninit(&records);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

START_TEST(all_peers_get_their_messages)
{
    enum { N = 20 };
    struct end e[N];
    struct ipc_peer *p = NULL;

    bench_start();
    for (int i = 0; i < N; i++) {
        client_start(&e[i], (uint64_t)i + 1, 100, NULL);
    }
    WAIT_FOR(b.ups, N);
    int n = 0;
    while ((p = ipc_server_next(b.server, p))) {
        ipc_peer_send(
            p, &(struct msg){.type = MSG_PORT_CONFIG, .port_config = {1, true, false}});
        n++;
    }
    ck_assert_int_eq(n, N);
    for (int i = 0; i < N; i++) {
        WAIT_FOR(e[i].messages, 1);
        ipc_client_destroy(e[i].c);
    }
    bench_stop();
}
END_TEST

static int n_events;

static void on_event(void *aux, const struct msg_event *m)
{
    ck_assert_str_eq(m->kind, "link");
    n_events++;
}

START_TEST(events_reach_a_subscriber)
{
    struct msg_event event = {.time_ms = 1, .kind = "link", .text = "A-B up"};

    bench_start();
    n_events = 0;
    struct ipc_subscriber *s =
        ipc_subscriber_create(b.loop, b.ctx, b.events, NULL, on_event, NULL);
    ck_assert_ptr_nonnull(s);
    for (int i = 0; i < 2000 && !n_events; i++) {
        ipc_server_publish(b.server, &event); /* Lost until it has subscribed. */
        loop_run_until(b.loop, never, NULL, 10);
    }
    ck_assert_int_gt(n_events, 0);
    ipc_subscriber_destroy(s);
    bench_stop();
}
END_TEST

START_TEST(a_question_gets_its_answer)
{
    static const char *const args[] = {"links"};
    char state[IPC_STATE_LEN];
    struct buf body = {0};
    int64_t status = 0;
    int stop = 0;

    bench_start();
    pid_t pid = fork();
    if (!pid) {
        int error = ipc_request(b.endpoint, NULL, "show", args, 1, WAIT_MS, &body,
                                &status, state);
        _exit(!error && status == 7 && body.len == 12 ? 0 : 1);
    }
    while (waitpid(pid, &stop, WNOHANG) == 0) {
        loop_run_until(b.loop, never, NULL, 10);
    }
    ck_assert(WIFEXITED(stop) && WEXITSTATUS(stop) == 0);
    ck_assert_int_eq(b.requests, 1);
    bench_stop();
}
END_TEST

START_TEST(a_question_to_nobody_times_out)
{
    char state[IPC_STATE_LEN];
    struct buf body = {0};
    int64_t status = 99;

    ck_assert_int_eq(ipc_request("ipc:///nonexistent/bus", NULL, "show", NULL, 0, 100,
                                 &body, &status, state),
                     ETIMEDOUT);
    ck_assert_int_eq(status, 99);
    ck_assert_str_eq(state, "connecting to ipc:///nonexistent/bus");
    ck_assert_int_eq(
        ipc_request("nonsense", NULL, "show", NULL, 0, 100, &body, &status, state),
        ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(state, "cannot connect to nonsense: "));
}
END_TEST

UNIT_MAIN("ipc/ipc", client_gets_a_session_and_loses_it_with_bye,
          client_waits_for_a_server_that_starts_later,
          a_restarted_server_is_noticed_and_resynced,
          a_dropped_client_comes_back_by_itself,
          a_second_client_of_the_same_id_is_refused_until_the_first_is_gone,
          a_killed_and_restarted_client_gets_in_long_before_the_dead_time,
          a_frozen_client_is_dead_after_the_dead_time,
          a_hundred_thousand_records_arrive_in_order,
          a_receiver_that_does_not_acknowledge_blocks_the_sender_at_the_window,
          empty_and_oversize_batches_are_not_sent, all_peers_get_their_messages,
          events_reach_a_subscriber, a_question_gets_its_answer,
          a_question_to_nobody_times_out)
