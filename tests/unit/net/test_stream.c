#include "stream_ends.h"

#include <unistd.h>

START_TEST(megabytes_pass_both_ways_at_once)
{
    check_megabytes_pass_both_ways_at_once();
}
END_TEST

START_TEST(output_queued_before_the_connection_is_sent_after_it)
{
    check_output_queued_before_the_connection_is_sent_after_it();
}
END_TEST

START_TEST(the_end_of_the_peer_is_told_once)
{
    check_the_end_of_the_peer_is_told_once();
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
    ck_assert_int_eq(client.opened, 0);
    finish(NULL);
}
END_TEST

START_TEST(a_stream_may_be_destroyed_in_its_callbacks)
{
    check_a_stream_may_be_destroyed_in_its_callbacks();
}
END_TEST

START_TEST(a_paused_stream_pushes_back_on_its_peer)
{
    check_a_paused_stream_pushes_back_on_its_peer();
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

START_TEST(a_unix_socket_that_has_a_successor_leaves_its_file_to_it)
{
    char dir[] = "/tmp/rf-stream-test.XXXXXX", listen[64], endpoint[64];
    struct stream_listener *second = NULL;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(listen, sizeof listen, "punix:%s/s", dir);
    snprintf(endpoint, sizeof endpoint, "unix:%s/s", dir);
    struct stream_listener *first = start(listen);
    ck_assert_int_eq(stream_listen(loop, listen, NULL, on_accept, NULL, &second), 0);
    stream_listener_destroy(first);
    connect_to(endpoint);
    ck_assert(loop_run_until(loop, is_open, NULL, WAIT_MS));
    finish(second);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(peers_are_named_by_address_and_port)
{
    struct stream_listener *l = start_pair();
    char expected[STREAM_NAME_LEN];

    ck_assert(loop_run_until(loop, is_open, NULL, WAIT_MS));
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
        ck_assert_msg(stream_listen(loop, bad_listen[i], NULL, on_accept, NULL, &l) ==
                          EINVAL,
                      "%s", bad_listen[i]);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(bad_connect); i++) {
        ck_assert_msg(stream_connect(loop, bad_connect[i], NULL, &ops, NULL, &s) ==
                          EINVAL,
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
    ck_assert_int_eq(stream_listen(loop, endpoint, NULL, on_accept, NULL, &second),
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
          a_unix_socket_that_has_a_successor_leaves_its_file_to_it,
          peers_are_named_by_address_and_port, malformed_endpoints_are_refused,
          a_port_in_use_is_an_error)
