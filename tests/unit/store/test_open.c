/* What an operator is told about a URI, and what starting without a server means. */

#include "store_test.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void ck_assert_refused(const char *uri, int expected_errno, const char *expected)
{
    char error[STORE_ERROR_LEN] = "";
    struct store *store = NULL;

    int e = store_open(uri, &store, error, sizeof error);
    ck_assert_msg(e == expected_errno, "%s: %s, expected %s", uri, strerror(e),
                  strerror(expected_errno));
    ck_assert_msg(strstr(error, expected) != NULL, "%s: \"%s\", expected \"%s\"", uri,
                  error, expected);
    ck_assert_ptr_null(store);
}

START_TEST(bad_uri_is_refused_and_says_what_was_expected)
{
    const char *const uris[] = {"",         "routeflow",    "/var/lib/x.db",
                                "sqlite",   "mysql://h/db", "mongodb:host",
                                "SQLITE:x", "sqlite3:x.db", " sqlite:x"};

    for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
        ck_assert_refused(uris[i], EINVAL, "expected sqlite:PATH");
    }
    ck_assert_refused("sqlite:", EINVAL, "expected a file name");
    ck_assert_refused("sqlite::disk:", EINVAL, "sqlite::memory:");
    ck_assert_refused("mongodb://", EINVAL, "mongodb://127.0.0.1:27017/routeflow");
    ck_assert_refused("mongodb://h:99999999/db", EINVAL, "expected mongodb://");
    ck_assert_refused("mongodb://h:x/db", EINVAL, "expected mongodb://");
}
END_TEST

START_TEST(unusable_file_is_refused_and_says_why)
{
    struct place place;
    char uri[300], error[STORE_ERROR_LEN];

    place_create(&place, "unusable");
    snprintf(uri, sizeof uri, "sqlite:%s/no/such/dir.db", place.dir);
    snprintf(error, sizeof error, "directory %s/no/such does not exist", place.dir);
    ck_assert_refused(uri, ENOENT, error);
    snprintf(uri, sizeof uri, "sqlite:%s", place.dir);
    ck_assert_refused(uri, EISDIR, "is a directory, expected a file");
    snprintf(uri, sizeof uri, "sqlite:%s/text", place.dir);
    FILE *file = fopen(uri + strlen("sqlite:"), "w");
    for (int i = 0; i < 1000; i++) {
        fputs("vm_id,vm_port,ct_id,dp_id,dp_port\n", file);
    }
    fclose(file);
    ck_assert_refused(uri, EINVAL, "file is not a database");
    place_destroy(&place);
}
END_TEST

START_TEST(new_file_is_for_its_owner_and_group_alone)
{
    struct place place;
    char path[300];
    struct stat st;

    place_create(&place, "mode");
    snprintf(path, sizeof path, "sqlite:%s/mode.db", place.dir);
    umask(0);
    struct store *store = start_store(path);
    flush_store(store);
    ck_assert_int_eq(stat(path + strlen("sqlite:"), &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0640);
    strcat(path, "-wal");
    ck_assert_int_eq(stat(path + strlen("sqlite:"), &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0640);
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(memory_store_takes_everything)
{
    struct store *store = start_store("sqlite::memory:");
    struct store_status s;

    put_n(store, STORE_TABLE, "a", 1);
    append_n(store, 1);
    flush_store(store);
    store_get_status(store, &s);
    ck_assert_uint_eq(s.written, 2);
    store_close(store);
}
END_TEST

/* A port of 127.0.0.1 that nobody listens to: bound, so that nobody else takes it. */
static int reserve_port(int *ret_fd)
{
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sin;

    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    *ret_fd = fd;
    return ntohs(sin.sin_port);
}

START_TEST(server_that_does_not_answer_is_no_error_and_delays_nobody)
{
    struct store_status s;
    char uri[100];
    int fd;

    snprintf(uri, sizeof uri, "mongodb://user:secret@127.0.0.1:%d/rf",
             reserve_port(&fd));
    struct store *store = open_store(uri);
    struct buf text = {0};
    ck_assert_int_eq(store_load(store, STORE_TABLE, print_doc, &text), ENOTCONN);
    ck_assert_int_eq(store_start(store), 0);
    for (int i = 0; i < 100000; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i % 100);
        put_n(store, STORE_TABLE, id, i);
        append_n(store, i);
        store_remove(store, STORE_TABLE, "0");
    }
    ck_assert_int_eq(store_flush(store, 100), ETIMEDOUT);
    store_get_status(store, &s);
    ck_assert(!s.connected);
    ck_assert_str_ne(s.error, "");
    ck_assert_ptr_null(strstr(s.uri, "secret"));
    ck_assert_ptr_nonnull(strstr(s.uri, "mongodb://127.0.0.1:"));
    ck_assert_uint_eq(s.documents, 99);
    ck_assert_uint_eq(s.queued, 99 + STORE_MAX_EVENTS);
    ck_assert_uint_eq(s.events_lost, 100000 - STORE_MAX_EVENTS);
    ck_assert_int_ge(s.oldest_ms, 100);
    store_close(store);
    close(fd);
}
END_TEST

START_TEST(close_of_nothing_is_allowed)
{
    store_close(NULL);
    store_close(open_store("sqlite::memory:"));
}
END_TEST

UNIT_MAIN("store/open", bad_uri_is_refused_and_says_what_was_expected,
          unusable_file_is_refused_and_says_why,
          new_file_is_for_its_owner_and_group_alone, memory_store_takes_everything,
          server_that_does_not_answer_is_no_error_and_delays_nobody,
          close_of_nothing_is_allowed)
