#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/stream.h"

#define WAIT_MS 20000

struct end {
    struct stream *s;
    struct buf in, out;
    size_t out_done;
    int closed;
    char reason[128];
    bool destroy_on_read, destroy_on_close, destroy_on_written;
};

static struct loop *loop;
static struct end server, client;
static int accepted;

static void destroy(struct end *e)
{
    stream_destroy(e->s);
    e->s = NULL;
}

static void readable(void *aux, const uint8_t *data, size_t n)
{
    struct end *e = aux;

    ck_assert_uint_le(n, STREAM_READ_MAX);
    buf_put(&e->in, data, n);
    if (e->destroy_on_read) {
        destroy(e);
    }
}

static size_t output(void *aux, const uint8_t **ret)
{
    struct end *e = aux;

    *ret = e->out.data + e->out_done;
    return e->out.len - e->out_done;
}

static void written(void *aux, size_t n)
{
    struct end *e = aux;

    e->out_done += n;
    if (e->destroy_on_written) {
        destroy(e);
    }
}

static void closed(void *aux, const char *reason)
{
    struct end *e = aux;

    e->closed++;
    str_copy(e->reason, reason, sizeof e->reason);
    if (e->destroy_on_close) {
        destroy(e);
    }
}

static const struct stream_ops ops = {readable, output, written, closed};

static void on_accept(void *aux, struct stream *s)
{
    accepted++;
    server.s = s;
    stream_set_ops(s, &ops, &server);
}

static struct stream_listener *start(const char *listen)
{
    struct stream_listener *l = NULL;

    memset(&server, 0, sizeof server);
    memset(&client, 0, sizeof client);
    accepted = 0;
    loop = loop_create();
    ck_assert_int_eq(stream_listen(loop, listen, on_accept, NULL, &l), 0);
    return l;
}

static void connect_to(const char *endpoint)
{
    ck_assert_int_eq(stream_connect(loop, endpoint, &ops, &client, &client.s), 0);
}

/* A TCP listener on a port of the system's choice, with one connection. */
static struct stream_listener *start_tcp(void)
{
    struct stream_listener *l = start("ptcp:0");
    char endpoint[STREAM_NAME_LEN + 8];

    snprintf(endpoint, sizeof endpoint, "tcp:%s", stream_listener_name(l));
    connect_to(endpoint);
    return l;
}

static void finish(struct stream_listener *l)
{
    stream_destroy(client.s);
    stream_destroy(server.s);
    stream_listener_destroy(l);
    buf_uninit(&client.in);
    buf_uninit(&client.out);
    buf_uninit(&server.in);
    buf_uninit(&server.out);
    loop_destroy(loop);
}

static bool is_accepted(void *aux)
{
    return accepted > 0;
}

static bool is_closed(void *aux)
{
    return ((struct end *)aux)->closed > 0;
}

static bool has_input(void *aux)
{
    return ((struct end *)aux)->in.len > 0;
}

static bool got_all(void *aux)
{
    return server.in.len == client.out.len && client.in.len == server.out.len;
}

static bool never(void *aux)
{
    return false;
}

START_TEST(megabytes_pass_both_ways_at_once)
{
    enum { N = 8 << 20 };
    struct stream_listener *l = start_tcp();

    for (uint32_t i = 0; i < N / 4; i++) {
        buf_put_u32(&client.out, i);
        buf_put_u32(&server.out, i * 2654435761u);
    }
    stream_kick(client.s);
    ck_assert(loop_run_until(loop, is_accepted, NULL, WAIT_MS));
    stream_kick(server.s);
    ck_assert(loop_run_until(loop, got_all, NULL, WAIT_MS));
    ck_assert(!memcmp(server.in.data, client.out.data, N));
    ck_assert(!memcmp(client.in.data, server.out.data, N));
    ck_assert_int_eq(client.closed + server.closed, 0);
    finish(l);
}
END_TEST

START_TEST(output_queued_before_the_connection_is_sent_after_it)
{
    struct stream_listener *l = start_tcp();

    buf_put(&client.out, "hello", 5);
    ck_assert(loop_run_until(loop, has_input, &server, WAIT_MS));
    ck_assert_uint_eq(server.in.len, 5);
    finish(l);
}
END_TEST

START_TEST(the_end_of_the_peer_is_told_once)
{
    struct stream_listener *l = start_tcp();

    ck_assert(loop_run_until(loop, is_accepted, NULL, WAIT_MS));
    destroy(&client);
    ck_assert(loop_run_until(loop, is_closed, &server, WAIT_MS));
    ck_assert_str_eq(server.reason, "closed by peer");
    stream_kick(server.s);
    loop_run_until(loop, never, NULL, 20);
    ck_assert_int_eq(server.closed, 1);
    finish(l);
}
END_TEST

START_TEST(a_refused_connection_is_closed_with_the_reason)
{
    struct stream_listener *l = start("ptcp:0");
    char endpoint[STREAM_NAME_LEN + 8];

    snprintf(endpoint, sizeof endpoint, "tcp:%s", stream_listener_name(l));
    stream_listener_destroy(l);
    client.destroy_on_close = true;
    connect_to(endpoint);
    ck_assert(loop_run_until(loop, is_closed, &client, WAIT_MS));
    ck_assert_str_eq(client.reason, "Connection refused");
    finish(NULL);
}
END_TEST

START_TEST(a_stream_may_be_destroyed_in_its_callbacks)
{
    struct stream_listener *l = start_tcp();

    server.destroy_on_read = true;
    client.destroy_on_close = true;
    buf_put(&client.out, "x", 1);
    ck_assert(loop_run_until(loop, is_closed, &client, WAIT_MS));
    ck_assert_ptr_null(server.s);
    ck_assert_ptr_null(client.s);
    finish(l);

    l = start_tcp();
    client.destroy_on_written = true;
    buf_put(&client.out, "x", 1);
    ck_assert(loop_run_until(loop, is_closed, &server, WAIT_MS));
    ck_assert_ptr_null(client.s);
    finish(l);
}
END_TEST

START_TEST(a_paused_stream_pushes_back_on_its_peer)
{
    enum { N = 64 << 20 };
    struct stream_listener *l = start_tcp();

    ck_assert(loop_run_until(loop, is_accepted, NULL, WAIT_MS));
    stream_pause(server.s, true);
    buf_put_zeros(&client.out, N);
    stream_kick(client.s);
    loop_run_until(loop, never, NULL, 200);
    ck_assert_uint_eq(server.in.len, 0);
    ck_assert_uint_lt(client.out_done, N);
    stream_pause(server.s, false);
    ck_assert(loop_run_until(loop, got_all, NULL, WAIT_MS));
    finish(l);
}
END_TEST

START_TEST(unix_sockets_work_and_replace_an_old_file)
{
    char dir[] = "/tmp/rf-stream-test.XXXXXX", listen[64], endpoint[64];

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(listen, sizeof listen, "punix:%s/s", dir);
    snprintf(endpoint, sizeof endpoint, "unix:%s/s", dir);
    FILE *f = fopen(listen + 6, "w");
    fclose(f);
    struct stream_listener *l = start(listen);
    connect_to(endpoint);
    buf_put(&client.out, "x", 1);
    ck_assert(loop_run_until(loop, has_input, &server, WAIT_MS));
    ck_assert_str_eq(stream_name(server.s), endpoint);
    finish(l);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(peers_are_named_by_address_and_port)
{
    struct stream_listener *l = start_tcp();
    char expected[STREAM_NAME_LEN];

    ck_assert(loop_run_until(loop, is_accepted, NULL, WAIT_MS));
    ck_assert_int_eq(strncmp(stream_name(server.s), "127.0.0.1:", 10), 0);
    str_copy(expected, stream_listener_name(l), sizeof expected);
    ck_assert_str_eq(stream_name(client.s), expected);
    finish(l);
}
END_TEST

START_TEST(malformed_endpoints_are_refused)
{
    static const char *const bad_listen[] = {"",
                                             "6653",
                                             "ptcp:",
                                             "ptcp:x",
                                             "ptcp:65536",
                                             "ptcp:-1",
                                             "ptcp:1:host",
                                             "ptcp:1:1.2.3",
                                             "ptcp:1:[::1",
                                             "tcp:127.0.0.1:1",
                                             "punix:",
                                             "ptcp:1:",
                                             "ptcp:1:[zz]",
                                             "ptcp:123456789:0.0.0.0"};
    static const char *const bad_connect[] = {
        "tcp:127.0.0.1", "tcp:host:1",      "tcp::1",   "unix:",
        "ptcp:1",        "tcp:127.0.0.1:x", "tcp:::1:1"};
    struct stream_listener *l = NULL;
    struct stream *s = NULL;

    loop = loop_create();
    for (unsigned i = 0; i < ARRAY_SIZE(bad_listen); i++) {
        ck_assert_msg(stream_listen(loop, bad_listen[i], on_accept, NULL, &l) == EINVAL,
                      "%s", bad_listen[i]);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(bad_connect); i++) {
        ck_assert_msg(stream_connect(loop, bad_connect[i], &ops, NULL, &s) == EINVAL,
                      "%s", bad_connect[i]);
    }
    ck_assert_ptr_null(l);
    ck_assert_ptr_null(s);
    loop_destroy(loop);
}
END_TEST

START_TEST(a_port_in_use_is_an_error)
{
    struct stream_listener *l = start("ptcp:0"), *second = NULL;
    char endpoint[STREAM_NAME_LEN + 8];

    snprintf(endpoint, sizeof endpoint, "ptcp:%s",
             strrchr(stream_listener_name(l), ':') + 1);
    ck_assert_int_eq(stream_listen(loop, endpoint, on_accept, NULL, &second),
                     EADDRINUSE);
    finish(l);
}
END_TEST

UNIT_MAIN("net/stream", megabytes_pass_both_ways_at_once,
          output_queued_before_the_connection_is_sent_after_it,
          the_end_of_the_peer_is_told_once,
          a_refused_connection_is_closed_with_the_reason,
          a_stream_may_be_destroyed_in_its_callbacks,
          a_paused_stream_pushes_back_on_its_peer,
          unix_sockets_work_and_replace_an_old_file,
          peers_are_named_by_address_and_port, malformed_endpoints_are_refused,
          a_port_in_use_is_an_error)
