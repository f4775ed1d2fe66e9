#ifndef RELAY_ENDS_H
#define RELAY_ENDS_H 1

/* Both ends of the slow path in one loop, and frames that bear their numbers. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "relay/relay.h"
#include "unit.h"

#define WAIT_MS 20000
#define ID 0x7266767300000001
#define HEADER RELAY_HEADER_LEN
/* As ck_assert(), which writes to a file each time. */
#define REQUIRE(CONDITION)            \
    do {                              \
        if (!(CONDITION)) {           \
            ck_abort_msg(#CONDITION); \
        }                             \
    } while (0)

/* What one end has seen.  Frames bear their numbers. */
struct end {
    unsigned frames, wanted; /* In order, and how many a test waits for. */
    unsigned connected, disconnected;
    char reason[64];
    struct relay_client *echo; /* Sends back what comes. */
};

static char dir[] = "/tmp/rf-relay-test.XXXXXX", endpoint[64];
static struct loop *loop;
static struct loop_timer *tick;
static struct relay_server *server;
static struct relay_client *client;
static struct end server_end, client_end;

static void on_tick(void *aux)
{
}

static void setup(void)
{
    loop = loop_create();
    /* So that conditions the loop knows nothing of are looked at. */
    tick = loop_timer_create(loop, on_tick, NULL);
    loop_timer_every(tick, 1);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(endpoint, sizeof endpoint, "ipc://%s/s", dir);
}

static const char *path(void)
{
    return endpoint + 6;
}

static void teardown(void)
{
    relay_client_destroy(client);
    relay_server_destroy(server);
    loop_timer_destroy(tick);
    loop_destroy(loop);
    unlink(path());
    ck_assert_int_eq(rmdir(dir), 0);
}

/* Frame number `no`, of `n` octets. */
static struct relay_frame numbered(unsigned no, size_t n)
{
    static uint8_t data[RELAY_FRAME_MAX];

    for (size_t i = 0; i < n; i++) {
        data[i] = (uint8_t)(no + i);
    }
    memcpy(data, &no, sizeof no);
    return (struct relay_frame){.id = ID, .port = no, .data = data, .n = n};
}

static void check_numbered(const struct relay_frame *f, unsigned no)
{
    REQUIRE(f->id == ID && f->port == no && !memcmp(f->data, &no, sizeof no));
    for (size_t i = sizeof no; i < f->n; i++) {
        REQUIRE(f->data[i] == (uint8_t)(no + i));
    }
}

static void on_frame(void *end_, const struct relay_frame *f)
{
    struct end *end = end_;

    check_numbered(f, end->frames++);
    if (end->echo) {
        REQUIRE(relay_client_put(end->echo, f));
    }
}

static void on_connected(void *end_)
{
    struct end *end = end_;
    end->connected++;
}

static void on_disconnected(void *end_, const char *reason)
{
    struct end *end = end_;

    end->disconnected++;
    str_copy(end->reason, reason, sizeof end->reason);
}

static const struct relay_ops ops = {on_frame, on_connected, on_disconnected};

static bool got_wanted(void *end_)
{
    const struct end *end = end_;
    return end->frames >= end->wanted;
}

static void wait_frames(struct end *end, unsigned wanted)
{
    end->wanted = wanted;
    ck_assert_msg(loop_run_until(loop, got_wanted, end, WAIT_MS), "%u of %u",
                  end->frames, wanted);
    ck_assert_uint_eq(end->frames, wanted);
}

static bool is_connected(void *client_)
{
    return relay_client_is_connected(client_);
}

static bool is_disconnected(void *client_)
{
    return !relay_client_is_connected(client_);
}

static bool has_peers(void *n_)
{
    return relay_server_peers(server) == *(size_t *)n_;
}

static void wait_peers(size_t n)
{
    ck_assert_msg(loop_run_until(loop, has_peers, &n, WAIT_MS), "%zu of %zu peers",
                  relay_server_peers(server), n);
}

static void listen_at(const char *where)
{
    ck_assert_int_eq(relay_server_create(loop, where, &ops, &server_end, &server), 0);
}

static struct relay_client *new_client(const char *where, struct end *end)
{
    struct relay_client *c = NULL;
    ck_assert_int_eq(relay_client_create(loop, where, &ops, end, &c), 0);
    return c;
}

static void connect_pair(const char *listening)
{
    char where[128];

    listen_at(listening);
    if (!strncmp(listening, "tcp", 3)) {
        snprintf(where, sizeof where, "tcp://%s", relay_server_name(server));
    } else {
        str_copy(where, listening, sizeof where);
    }
    client = new_client(where, &client_end);
    ck_assert(loop_run_until(loop, is_connected, client, WAIT_MS));
    wait_peers(1);
}

#endif
