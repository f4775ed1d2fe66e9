#include "relay_ends.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define KERNEL_MAX (4 << 20) /* More than sockets hold in any of these tests. */

/* A peer that does only what the test has it do. */

static int raw_socket(struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    str_copy(ret->sun_path, path(), sizeof ret->sun_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static int raw_connect(void)
{
    struct sockaddr_un sa;
    const int fd = raw_socket(&sa);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static int raw_listen(void)
{
    struct sockaddr_un sa;
    const int fd = raw_socket(&sa);

    unlink(path());
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    return fd;
}

static bool is_readable(void *fd_)
{
    struct pollfd p = {.fd = *(int *)fd_, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* The connection of `client`. */
static int raw_accept(int listener)
{
    ck_assert(loop_run_until(loop, is_readable, &listener, WAIT_MS));
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert(loop_run_until(loop, is_connected, client, WAIT_MS));
    return fd;
}

static bool all_was_read(void *fd_)
{
    int left = 1;
    ck_assert_int_eq(ioctl(*(int *)fd_, SIOCOUTQ, &left), 0);
    return !left;
}

/* Writes and waits until the other end has read it. */
static void raw_write(int fd, const void *data, size_t n)
{
    ck_assert_int_eq(write(fd, data, n), n);
    ck_assert(loop_run_until(loop, all_was_read, &fd, WAIT_MS));
}

struct raw_reader {
    int fd;
    size_t portion; /* Read at once; 0: all there is. */
    struct buf in;
    unsigned frames, wanted;
};

static bool raw_got_wanted(void *reader_)
{
    struct raw_reader *r = reader_;
    uint8_t data[65536];
    struct relay_frame f;
    ssize_t n;

    do {
        n = recv(r->fd, data, r->portion ? r->portion : sizeof data, MSG_DONTWAIT);
        buf_put(&r->in, data, n > 0 ? (size_t)n : 0);
    } while (n > 0 && !r->portion);
    struct cursor c = cursor_of(r->in.data, r->in.len);
    while (relay_get(&c, &f) == RELAY_FRAME) {
        check_numbered(&f, r->frames++);
    }
    if (c.n < r->in.len) {
        buf_pull(&r->in, r->in.len - c.n);
    }
    return r->frames >= r->wanted;
}

static void raw_read_frames(struct raw_reader *r, unsigned wanted)
{
    r->wanted = wanted;
    ck_assert_msg(loop_run_until(loop, raw_got_wanted, r, WAIT_MS), "%u of %u",
                  r->frames, wanted);
    ck_assert_uint_eq(r->frames, wanted);
    ck_assert_uint_eq(r->in.len, 0);
}

static bool raw_at_end(void *fd_)
{
    char c;
    return recv(*(int *)fd_, &c, 1, MSG_DONTWAIT) == 0;
}

START_TEST(a_read_may_end_at_every_byte)
{
    enum { N = 4 };
    static const size_t sizes[N] = {60, RELAY_FRAME_MIN, 77, 60};
    unsigned no = 0;
    size_t len = 1;

    listen_at(endpoint);
    const int fd = raw_connect();
    for (size_t at = 0; at < len; at++) {
        struct buf b = {0};
        for (unsigned i = 0; i < N; i++) {
            const struct relay_frame f = numbered(no++, sizes[i]);
            relay_put(&b, &f);
        }
        len = b.len;
        raw_write(fd, b.data, at);
        raw_write(fd, b.data + at, len - at);
        wait_frames(&server_end, no);
        buf_uninit(&b);
    }
    ck_assert_uint_gt(len, 200);
    close(fd);
}
END_TEST

START_TEST(bytes_may_come_one_by_one)
{
    struct buf b = {0};

    listen_at(endpoint);
    const int fd = raw_connect();
    for (unsigned i = 0; i < 3; i++) {
        const struct relay_frame f = numbered(i, 60);
        relay_put(&b, &f);
    }
    for (size_t i = 0; i < b.len; i++) {
        ck_assert_uint_eq(server_end.frames, i / (HEADER + 60));
        raw_write(fd, b.data + i, 1);
    }
    wait_frames(&server_end, 3);
    buf_uninit(&b);
    close(fd);
}
END_TEST

/* A record whose length is `n`. */
static void put_malformed(struct buf *b, uint16_t n)
{
    const struct relay_frame f = numbered(99, 60);

    relay_put(b, &f);
    buf_set_u16(b, b->len - 60 - 2, n);
}

START_TEST(a_malformed_record_ends_the_connection_of_that_peer_only)
{
    static const uint16_t lengths[] = {0, RELAY_FRAME_MIN - 1, RELAY_FRAME_MAX + 1,
                                       UINT16_MAX};

    connect_pair(endpoint);
    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        const struct relay_frame good = numbered(i, 60);
        struct buf b = {0};
        relay_put(&b, &good); /* What comes before it counts. */
        put_malformed(&b, lengths[i]);
        int fd = raw_connect();
        wait_peers(2);
        ck_assert_int_eq(write(fd, b.data, b.len), b.len);
        ck_assert(loop_run_until(loop, raw_at_end, &fd, WAIT_MS));
        ck_assert_uint_eq(server_end.disconnected, i + 1);
        ck_assert_str_eq(server_end.reason, "malformed record");
        ck_assert_uint_eq(server_end.frames, i + 1);
        ck_assert_uint_eq(relay_server_peers(server), 1);
        close(fd);
        buf_uninit(&b);
    }
    const struct relay_frame f = numbered(ARRAY_SIZE(lengths), 60);
    ck_assert(relay_client_put(client, &f));
    wait_frames(&server_end, ARRAY_SIZE(lengths) + 1);
}
END_TEST

START_TEST(after_a_malformed_record_the_client_connects_again)
{
    const int listener = raw_listen();
    struct buf b = {0};

    client = new_client(endpoint, &client_end);
    int fd = raw_accept(listener);
    put_malformed(&b, 5);
    ck_assert_int_eq(write(fd, b.data, b.len - 30), b.len - 30);
    ck_assert(loop_run_until(loop, raw_at_end, &fd, WAIT_MS));
    ck_assert_uint_eq(client_end.disconnected, 1);
    ck_assert_str_eq(client_end.reason, "malformed record");
    close(fd);

    fd = raw_accept(listener);
    buf_clear(&b);
    const struct relay_frame f = numbered(0, 60);
    relay_put(&b, &f);
    raw_write(fd, b.data, b.len);
    wait_frames(&client_end, 1);
    ck_assert_uint_eq(client_end.connected, 2);
    buf_uninit(&b);
    close(fd);
    close(listener);
}
END_TEST

/* Whether frame number *n has found room. */
static bool put_next(void *n_)
{
    unsigned *n = n_;
    const struct relay_frame f = numbered(*n, 1500);
    const bool ok = relay_client_put(client, &f);

    *n += ok;
    return ok;
}

START_TEST(what_a_peer_that_does_not_read_cannot_take_is_refused)
{
    enum { SIZE = 1500 + HEADER, MOST = (RELAY_QUEUE_MAX + KERNEL_MAX) / SIZE };
    const int listener = raw_listen();
    unsigned n = 0;

    client = new_client(endpoint, &client_end);
    struct raw_reader r = {.fd = raw_accept(listener)};
    while (put_next(&n)) {
    }
    ck_assert_uint_eq(n, RELAY_QUEUE_MAX / SIZE);
    /* The socket takes some of them. */
    ck_assert(loop_run_until(loop, put_next, &n, WAIT_MS));
    while (put_next(&n)) {
        REQUIRE(n < MOST);
    }
    raw_read_frames(&r, n);

    /* And it recovers. */
    for (unsigned i = 0; i < 1000; i++) {
        REQUIRE(put_next(&n));
    }
    raw_read_frames(&r, n);
    ck_assert_uint_eq(client_end.disconnected, 0);
    buf_uninit(&r.in);
    close(r.fd);
    close(listener);
}
END_TEST

START_TEST(what_a_slow_peer_takes_is_in_order_and_whole)
{
    const int listener = raw_listen();
    unsigned n = 0, refused = 0;

    client = new_client(endpoint, &client_end);
    struct raw_reader r = {.fd = raw_accept(listener), .portion = 40000};
    while (n < 40000) {
        const struct relay_frame f = numbered(n, 100 + n % 1400);
        if (relay_client_put(client, &f)) {
            n++;
        } else {
            refused++;
            r.wanted = r.frames + 1;
            REQUIRE(loop_run_until(loop, raw_got_wanted, &r, WAIT_MS));
        }
    }
    ck_assert_uint_gt(refused, 100);
    r.portion = 0;
    raw_read_frames(&r, n);
    buf_uninit(&r.in);
    close(r.fd);
    close(listener);
}
END_TEST

START_TEST(a_frame_is_lost_only_for_the_peer_that_does_not_read)
{
    enum { SIZE = 1500 };
    unsigned n = 0, lost = 0;

    connect_pair(endpoint);
    struct raw_reader r = {.fd = raw_connect()};
    wait_peers(2);
    while (lost < 1000) {
        for (unsigned i = 0; i < 100; i++, n++) {
            const struct relay_frame f = numbered(n, SIZE);
            const size_t takers = relay_server_put(server, &f);
            REQUIRE(takers == 1 || (takers == 2 && !lost));
            lost += takers == 1;
        }
        wait_frames(&client_end, n);
        ck_assert_uint_lt(n, (RELAY_QUEUE_MAX + KERNEL_MAX) / SIZE + 1000);
    }
    raw_read_frames(&r, n - lost);
    ck_assert_uint_eq(server_end.disconnected, 0);

    /* And it recovers; its numbers have a gap now. */
    const struct relay_frame f = numbered(n, SIZE);
    ck_assert_uint_eq(relay_server_put(server, &f), 2);
    r.frames = n;
    raw_read_frames(&r, n + 1);
    buf_uninit(&r.in);
    close(r.fd);
}
END_TEST

START_TEST(each_of_several_peers_gets_all_and_the_ninth_sends_the_oldest_away)
{
    struct end ends[RELAY_MAX_PEERS] = {0};
    struct relay_client *clients[RELAY_MAX_PEERS];

    listen_at(endpoint);
    int oldest = raw_connect();
    wait_peers(1);
    for (unsigned i = 0; i < RELAY_MAX_PEERS; i++) {
        ck_assert_uint_eq(server_end.disconnected, 0);
        clients[i] = new_client(endpoint, &ends[i]);
        ck_assert(loop_run_until(loop, is_connected, clients[i], WAIT_MS));
        wait_peers(MIN(i + 2, RELAY_MAX_PEERS));
    }
    ck_assert(loop_run_until(loop, raw_at_end, &oldest, WAIT_MS));
    ck_assert_uint_eq(server_end.disconnected, 1);
    for (unsigned i = 0; i < 100; i++) {
        const struct relay_frame f = numbered(i, 60);
        ck_assert_uint_eq(relay_server_put(server, &f), RELAY_MAX_PEERS);
    }
    for (unsigned i = 0; i < RELAY_MAX_PEERS; i++) {
        wait_frames(&ends[i], 100);
        const struct relay_frame f = numbered(i, 60);
        ck_assert(relay_client_put(clients[i], &f));
        wait_frames(&server_end, i + 1);
        relay_client_destroy(clients[i]);
        wait_peers(RELAY_MAX_PEERS - 1 - i);
    }
    ck_assert_str_eq(server_end.reason, "closed by peer");
    const struct relay_frame f = numbered(100, 60);
    ck_assert_uint_eq(relay_server_put(server, &f), 0);
    close(oldest);
}
END_TEST

START_TEST(queued_frames_end_with_their_connection)
{
    const int listener = raw_listen();
    unsigned n = 0;

    client = new_client(endpoint, &client_end);
    int fd = raw_accept(listener);
    while (put_next(&n)) {
    }
    close(fd);
    ck_assert(loop_run_until(loop, is_disconnected, client, WAIT_MS));
    struct raw_reader r = {.fd = raw_accept(listener)};
    const struct relay_frame f = numbered(0, 60);
    ck_assert(relay_client_put(client, &f));
    raw_read_frames(&r, 1);
    buf_uninit(&r.in);
    close(r.fd);
    close(listener);
}
END_TEST

START_TEST(a_socket_file_that_was_left_behind_is_replaced)
{
    struct stat st;

    close(raw_listen());
    ck_assert_int_eq(stat(path(), &st), 0);
    connect_pair(endpoint);
    relay_server_destroy(server);
    server = NULL;
    ck_assert_int_eq(stat(path(), &st), -1);
}
END_TEST

UNIT_MAIN_WITH("relay/raw_peers", setup, teardown, a_read_may_end_at_every_byte,
               bytes_may_come_one_by_one,
               a_malformed_record_ends_the_connection_of_that_peer_only,
               after_a_malformed_record_the_client_connects_again,
               what_a_peer_that_does_not_read_cannot_take_is_refused,
               what_a_slow_peer_takes_is_in_order_and_whole,
               a_frame_is_lost_only_for_the_peer_that_does_not_read,
               each_of_several_peers_gets_all_and_the_ninth_sends_the_oldest_away,
               queued_frames_end_with_their_connection,
               a_socket_file_that_was_left_behind_is_replaced)
