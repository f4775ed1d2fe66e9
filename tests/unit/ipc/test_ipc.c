#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/client.h"
#include "ipc/server.h"
#include "wire/record.h"

/* A server and clients in one loop over ipc:// in a directory of their own.  Short
 * times, so that death is quick; still far longer than a busy machine's pauses. */

#define WAIT_MS 20000
static const struct ipc_timing timing = {
    .heartbeat_ms = 100, .dead_ms = 2000, .backoff_min_ms = 10, .backoff_max_ms = 50};

#define MAX_LOG 65536

struct bench {
    struct loop *loop;
    struct zctx *ctx;
    struct ipc_server *server;
    char dir[64], endpoint[96], events[96];
    char log[MAX_LOG];
    /* What the server saw. */
    int ups, downs, opened;
    char down_reason[256];
    struct ipc_peer *last;
    uint64_t records, batches, last_port;
    int requests;
};

struct end {
    struct ipc_client *c;
    int ups, downs, restarts, opened, messages;
    char down_reason[256];
    uint64_t records;
    bool began, ended;
};

static struct bench b;

static void log_sink(void *aux, enum log_level level, const char *module,
                     const char *message)
{
    size_t n = strlen(b.log);
    snprintf(b.log + n, sizeof b.log - n, "%s\n", message);
}

static int64_t log_clock(void *aux)
{
    return loop_now();
}

static void peer_up(void *aux, struct ipc_peer *p)
{
    b.ups++;
    b.last = p;
}

static void peer_down(void *aux, struct ipc_peer *p, const char *reason)
{
    b.downs++;
    str_copy(b.down_reason, reason, sizeof b.down_reason);
    b.last = b.last == p ? NULL : b.last;
}

static void count_records(const struct msg *m, uint64_t *n)
{
    struct cursor c = cursor_of(m->batch.records.data, m->batch.records.n);
    struct record r;

    while (c.n) {
        ck_assert_ptr_null(record_get(&c, &r));
        ck_assert_int_eq(r.kind, REC_VM_ROUTE);
        (*n)++;
        ck_assert_uint_eq(r.vm_route.metric, *n); /* In order, none missing. */
    }
}

static void server_message(void *aux, struct ipc_peer *p, const struct msg *m)
{
    if (m->type == MSG_BATCH) {
        b.batches++;
        count_records(m, &b.records);
    } else if (m->type == MSG_REQUEST) {
        static const uint8_t body[] = {12, 0, 0, 0, 0x10, 'a', 0, 1, 0, 0, 0, 0};
        b.requests++;
        ck_assert_str_eq(m->request.cmd, "show");
        ck_assert_uint_eq(m->request.args.n, 1);
        ck_assert_str_eq(m->request.args.s[0], "links");
        ipc_peer_send(
            p, &(struct msg){.type = MSG_REPLY, .reply = {7, {body, sizeof body}}});
    }
}

static void server_window_open(void *aux, struct ipc_peer *p)
{
    b.opened++;
}

static const struct ipc_server_ops server_ops = {peer_up, peer_down, server_message,
                                                 server_window_open};

static void start_server(uint64_t epoch)
{
    struct ipc_server_config config = {.timing = timing, .epoch = epoch, .hold_ms = 5};

    b.server = ipc_server_create(b.loop, b.ctx, &config, &server_ops, NULL);
    ck_assert_int_eq(ipc_server_bind(b.server, b.endpoint), 0);
    ck_assert_int_eq(ipc_server_bind_events(b.server, b.events), 0);
}

static void bench_start(void)
{
    memset(&b, 0, sizeof b);
    log_set_sink(log_sink, NULL);
    log_set_clock(log_clock, NULL);
    b.loop = loop_create();
    b.ctx = zctx_create();
    strcpy(b.dir, "/tmp/rf-ipc-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(b.dir));
    snprintf(b.endpoint, sizeof b.endpoint, "ipc://%s/bus", b.dir);
    snprintf(b.events, sizeof b.events, "ipc://%s/events", b.dir);
    start_server(1);
}

static void bench_stop(void)
{
    char path[128];

    ipc_server_destroy(b.server);
    zctx_destroy(b.ctx);
    loop_destroy(b.loop);
    snprintf(path, sizeof path, "%s/bus", b.dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/events", b.dir);
    unlink(path);
    rmdir(b.dir);
}

static void up(void *aux, const struct msg_welcome *m, bool restarted)
{
    struct end *e = aux;
    e->ups++;
    e->restarts += restarted;
}

static void down(void *aux, const char *reason)
{
    struct end *e = aux;
    e->downs++;
    str_copy(e->down_reason, reason, sizeof e->down_reason);
}

static void client_message(void *aux, const struct msg *m)
{
    struct end *e = aux;
    if (m->type == MSG_BATCH) {
        count_records(m, &e->records);
    } else {
        e->messages++;
    }
}

static void client_window_open(void *aux)
{
    ((struct end *)aux)->opened++;
}

static const struct ipc_client_ops client_ops = {up, down, client_message,
                                                 client_window_open};

static void client_start(struct end *e, uint64_t id, uint64_t epoch, const char *name)
{
    struct ipc_client_config config = {.endpoint = b.endpoint,
                                       .role = ROLE_CLIENT,
                                       .id = id,
                                       .epoch = epoch,
                                       .name = name,
                                       .timing = timing};
    memset(e, 0, sizeof *e);
    e->c = ipc_client_create(b.loop, b.ctx, &config, &client_ops, e);
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

#define WAIT_FOR(VALUE, WANTED)                                           \
    do {                                                                  \
        struct at_least a_ = {&(VALUE), WANTED};                          \
        ck_assert_msg(loop_run_until(b.loop, is_reached, &a_, WAIT_MS),   \
                      #VALUE " is %d, not %d\n%s", VALUE, WANTED, b.log); \
    } while (0)

static bool never(void *aux)
{
    return false;
}

static void put_routes(struct buf *records, uint64_t *n, size_t limit)
{
    struct vm_route route = {.prefix = {{IP_V4, {10}}, 8}, .kind = VM_ROUTE_BLACKHOLE};

    while (records->len + RECORD_MAX_LEN <= limit) {
        route.metric = (uint32_t)++ * n;
        record_put_vm_route(records, &route, false);
    }
}

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
            ck_assert_int_eq(ipc_client_batch_send(e.c, 5, &records), 0);
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
    ck_assert_uint_eq(sent, 16);
    ck_assert_int_eq(ipc_peer_batch_send(b.last, 5, &records), EAGAIN);
    ck_assert_uint_eq(ipc_peer_batch_room(b.last), 0);
    ck_assert_uint_eq(ipc_peer_batch_pending(b.last), 16);
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
    ck_assert_int_eq(ipc_client_batch_send(e.c, 5, &records), ENOTCONN);
    WAIT_FOR(e.ups, 1);
    ck_assert_int_eq(ipc_client_batch_send(e.c, 5, &records), EMSGSIZE);
    buf_put_zeros(&records, WIRE_BATCH_MAX + 1);
    ck_assert_int_eq(ipc_client_batch_send(e.c, 5, &records), EMSGSIZE);
    buf_uninit(&records);
    ipc_client_destroy(e.c);
    bench_stop();
}
END_TEST

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
          empty_and_oversize_batches_are_not_sent,
          garbage_is_logged_with_a_limit_and_disturbs_nobody,
          an_oversize_message_costs_its_sender_the_connection,
          a_peer_that_breaks_the_rules_loses_its_session,
          hello_of_another_version_is_refused, all_peers_get_their_messages,
          events_reach_a_subscriber, a_question_gets_its_answer,
          a_question_to_nobody_times_out)
