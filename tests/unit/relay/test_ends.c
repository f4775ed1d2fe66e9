#include "relay_ends.h"

static void check_frames_cross(const char *listening)
{
    enum { N = 30000 };

    connect_pair(listening);
    for (unsigned i = 0; i < N; i++) {
        const struct relay_frame f =
            numbered(i, i % 1000 ? RELAY_FRAME_MIN + i % 200 : RELAY_FRAME_MAX);
        REQUIRE(relay_client_put(client, &f));
        REQUIRE(relay_server_put(server, &f) == 1);
    }
    wait_frames(&server_end, N);
    wait_frames(&client_end, N);
    ck_assert_uint_eq(server_end.connected + client_end.connected, 2);
    ck_assert_uint_eq(server_end.disconnected + client_end.disconnected, 0);
}

START_TEST(frames_cross_both_ways_on_a_unix_socket)
{
    check_frames_cross(endpoint);
}
END_TEST

START_TEST(frames_cross_both_ways_on_tcp)
{
    check_frames_cross("tcp://127.0.0.1:0");
}
END_TEST

START_TEST(frames_cross_both_ways_on_tcp_over_ipv6)
{
    check_frames_cross("tcp://[::1]:0");
}
END_TEST

START_TEST(a_star_listens_on_all_addresses)
{
    listen_at("tcp://*:0");
    ck_assert_int_eq(strncmp(relay_server_name(server), "0.0.0.0:", 8), 0);
}
END_TEST

START_TEST(frames_may_be_sent_while_one_is_received)
{
    connect_pair(endpoint);
    client_end.echo = client;
    for (unsigned i = 0; i < 1000; i++) {
        const struct relay_frame f = numbered(i, 100);
        ck_assert_uint_eq(relay_server_put(server, &f), 1);
    }
    wait_frames(&server_end, 1000);
}
END_TEST

START_TEST(a_frame_of_wrong_length_is_not_sent)
{
    static const uint8_t data[RELAY_FRAME_MAX + 1];
    struct relay_frame f = {ID, 0, data, RELAY_FRAME_MAX + 1};

    connect_pair(endpoint);
    ck_assert(!relay_client_put(client, &f));
    ck_assert_uint_eq(relay_server_put(server, &f), 0);
    f.n = RELAY_FRAME_MIN - 1;
    ck_assert(!relay_client_put(client, &f));
    f = numbered(0, 60);
    ck_assert(relay_client_put(client, &f));
    wait_frames(&server_end, 1);
}
END_TEST

START_TEST(both_ends_may_come_and_come_again_in_any_order)
{
    client = new_client(endpoint, &client_end);
    for (unsigned i = 0; i < 3; i++) {
        const struct relay_frame f = numbered(i, 60);
        ck_assert(!relay_client_put(client, &f));
        listen_at(endpoint);
        ck_assert(loop_run_until(loop, is_connected, client, WAIT_MS));
        wait_peers(1);
        ck_assert_uint_eq(client_end.connected, i + 1);
        ck_assert(relay_client_put(client, &f));
        wait_frames(&server_end, i + 1);
        relay_server_destroy(server);
        server = NULL;
        ck_assert(loop_run_until(loop, is_disconnected, client, WAIT_MS));
        ck_assert_uint_eq(client_end.disconnected, i + 1);
    }
    relay_client_destroy(client);

    listen_at(endpoint);
    for (unsigned i = 0; i < 3; i++) {
        client = new_client(endpoint, &client_end);
        ck_assert(loop_run_until(loop, is_connected, client, WAIT_MS));
        wait_peers(1);
        relay_client_destroy(client);
        client = NULL;
        wait_peers(0);
    }
}
END_TEST

START_TEST(malformed_endpoints_are_refused)
{
    static const char *const bad[] = {"",
                                      "relay",
                                      "ipc:",
                                      "ipc://",
                                      "tcp://",
                                      "tcp://127.0.0.1",
                                      "tcp://host:1",
                                      "tcp://127.0.0.1:65536",
                                      "tcp://::1:1",
                                      "tcp://[::1]",
                                      "tcp://:1",
                                      "tcp://127.0.0.1:",
                                      "tcp://*",
                                      "punix:/tmp/x",
                                      "ptcp:1",
                                      "ssl:127.0.0.1:1",
                                      "inproc://x",
                                      "tcp:127.0.0.1:1",
                                      "tcp://1.2.3.4:1:2"};
    char longest[300] = "ipc:///tmp/";

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_msg(relay_client_create(loop, bad[i], &ops, NULL, &client) == EINVAL,
                      "%s", bad[i]);
        ck_assert_msg(relay_server_create(loop, bad[i], &ops, NULL, &server) == EINVAL,
                      "%s", bad[i]);
    }
    memset(longest + strlen(longest), 'x', sizeof longest - strlen(longest) - 1);
    ck_assert_int_eq(relay_client_create(loop, longest, &ops, NULL, &client), EINVAL);
    ck_assert_int_eq(relay_server_create(loop, longest, &ops, NULL, &server), EINVAL);
    ck_assert_int_eq(relay_client_create(loop, "tcp://*:1", &ops, NULL, &client),
                     EINVAL);
    ck_assert_ptr_null(client);
    ck_assert_ptr_null(server);
    ck_assert_ptr_nonnull(strstr(relay_strerror(EINVAL), "ipc://PATH"));
}
END_TEST

START_TEST(where_nobody_may_listen_is_an_error_of_the_server_only)
{
    char where[128];
    struct relay_server *second = NULL;

    snprintf(where, sizeof where, "ipc://%s/no/such/folder", dir);
    ck_assert_int_eq(relay_server_create(loop, where, &ops, NULL, &server), ENOENT);
    client = new_client(where, &client_end);
    listen_at("tcp://127.0.0.1:0");
    snprintf(where, sizeof where, "tcp://%s", relay_server_name(server));
    ck_assert_int_eq(relay_server_create(loop, where, &ops, NULL, &second), EADDRINUSE);
}
END_TEST

UNIT_MAIN_WITH("relay/ends", setup, teardown, frames_cross_both_ways_on_a_unix_socket,
               frames_cross_both_ways_on_tcp, frames_cross_both_ways_on_tcp_over_ipv6,
               a_star_listens_on_all_addresses,
               frames_may_be_sent_while_one_is_received,
               a_frame_of_wrong_length_is_not_sent,
               both_ends_may_come_and_come_again_in_any_order,
               malformed_endpoints_are_refused,
               where_nobody_may_listen_is_an_error_of_the_server_only)
