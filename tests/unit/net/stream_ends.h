#ifndef STREAM_ENDS_H
#define STREAM_ENDS_H 1

/* Two ends of a stream in one loop, and what must hold of them with and without TLS. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "net/stream.h"
#include "unit.h"

#define WAIT_MS 20000

struct end {
    struct stream *s;
    struct buf in, out;
    size_t out_done;
    int opened, closed;
    char reason[128];
    bool destroy_on_read, destroy_on_close, destroy_on_written;
};

static struct loop *loop;
static struct end server, client;
static struct tls *server_tls, *client_tls; /* NULL: plain. */

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

static void opened(void *aux)
{
    struct end *e = aux;

    ck_assert(stream_is_open(e->s));
    ck_assert_uint_eq(e->in.len + e->out_done, 0);
    e->opened++;
}

static const struct stream_ops ops = {readable, output, written, closed, opened};

static void on_accept(void *aux, struct stream *s)
{
    server.s = s;
    stream_set_ops(s, &ops, &server);
}

static struct stream_listener *start(const char *listen)
{
    struct stream_listener *l = NULL;

    memset(&server, 0, sizeof server);
    memset(&client, 0, sizeof client);
    loop = loop_create();
    ck_assert_int_eq(stream_listen(loop, listen, server_tls, on_accept, NULL, &l), 0);
    return l;
}

static void connect_to(const char *endpoint)
{
    ck_assert_int_eq(
        stream_connect(loop, endpoint, client_tls, &ops, &client, &client.s), 0);
}

/* A listener on a port of the system's choice, with one connection. */
static struct stream_listener *start_pair(void)
{
    struct stream_listener *l = start(server_tls ? "pssl:0" : "ptcp:0");
    char endpoint[STREAM_NAME_LEN + 8];

    snprintf(endpoint, sizeof endpoint, "%s:127.0.0.1:%s", client_tls ? "ssl" : "tcp",
             strrchr(stream_listener_name(l), ':') + 1);
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

static inline bool is_open(void *aux)
{
    return server.s && client.s && stream_is_open(server.s) && stream_is_open(client.s);
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

static void check_megabytes_pass_both_ways_at_once(void)
{
    enum { N = 8 << 20 };
    struct stream_listener *l = start_pair();

    for (uint32_t i = 0; i < N / 4; i++) {
        buf_put_u32(&client.out, i);
        buf_put_u32(&server.out, i * 2654435761u);
    }
    stream_kick(client.s);
    ck_assert(loop_run_until(loop, is_open, NULL, WAIT_MS));
    stream_kick(server.s);
    ck_assert(loop_run_until(loop, got_all, NULL, WAIT_MS));
    ck_assert(!memcmp(server.in.data, client.out.data, N));
    ck_assert(!memcmp(client.in.data, server.out.data, N));
    ck_assert_int_eq(client.closed + server.closed, 0);
    finish(l);
}

static void check_output_queued_before_the_connection_is_sent_after_it(void)
{
    struct stream_listener *l = start_pair();

    buf_put(&client.out, "hello", 5);
    ck_assert(loop_run_until(loop, has_input, &server, WAIT_MS));
    ck_assert_uint_eq(server.in.len, 5);
    ck_assert_int_eq(client.opened, 1);
    finish(l);
}

static void check_the_end_of_the_peer_is_told_once(void)
{
    struct stream_listener *l = start_pair();

    ck_assert(loop_run_until(loop, is_open, NULL, WAIT_MS));
    destroy(&client);
    ck_assert(loop_run_until(loop, is_closed, &server, WAIT_MS));
    ck_assert_str_eq(server.reason, "closed by peer");
    stream_kick(server.s);
    loop_run_until(loop, never, NULL, 20);
    ck_assert_int_eq(server.closed, 1);
    finish(l);
}

static void check_a_stream_may_be_destroyed_in_its_callbacks(void)
{
    struct stream_listener *l = start_pair();

    server.destroy_on_read = true;
    client.destroy_on_close = true;
    buf_put(&client.out, "x", 1);
    ck_assert(loop_run_until(loop, is_closed, &client, WAIT_MS));
    ck_assert_ptr_null(server.s);
    ck_assert_ptr_null(client.s);
    finish(l);

    l = start_pair();
    client.destroy_on_written = true;
    buf_put(&client.out, "x", 1);
    ck_assert(loop_run_until(loop, is_closed, &server, WAIT_MS));
    ck_assert_ptr_null(client.s);
    finish(l);
}

static void check_a_paused_stream_pushes_back_on_its_peer(void)
{
    enum { N = 64 << 20 };
    struct stream_listener *l = start_pair();

    ck_assert(loop_run_until(loop, is_open, NULL, WAIT_MS));
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

#endif
