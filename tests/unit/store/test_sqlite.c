/* A file can vanish, be replaced, or become unwritable underneath the daemon. */

#include "store_test.h"

#include <errno.h>
#include <sys/stat.h>

/* Always SQLite, in a directory of its own inside place->dir. */
static void file_create(struct place *place)
{
    char dir[200];

    place_create(place, "sqlite");
    snprintf(dir, sizeof dir, "%s/in", place->dir);
    ck_assert(!mkdir(dir, 0755) || errno == EEXIST);
    snprintf(place->uri, sizeof place->uri, "sqlite:%.100s/in/rf.db", place->dir);
}

static void rename_in(const struct place *place, const char *from, const char *to)
{
    char a[200], b[200];

    snprintf(a, sizeof a, "%s/%s", place->dir, from);
    snprintf(b, sizeof b, "%s/%s", place->dir, to);
    ck_assert_int_eq(rename(a, b), 0);
}

START_TEST(unwritable_database_catches_up_when_it_is_writable_again)
{
    struct place place;
    struct store_status s;

    file_create(&place);
    struct store *store = start_store(place.uri);
    put_n(store, STORE_TABLE, "before", 1);
    put_n(store, STORE_TABLE, "removed", 1);
    flush_store(store);

    rename_in(&place, "in", "away");
    wait_connected(store, false);
    put_n(store, STORE_TABLE, "meanwhile", 2);
    put_n(store, STORE_TABLE, "came and went", 2);
    store_remove(store, STORE_TABLE, "removed");
    store_remove(store, STORE_TABLE, "came and went");
    ck_assert_int_eq(store_flush(store, 50), ETIMEDOUT);
    store_get_status(store, &s);
    ck_assert_msg(strstr(s.error, "rf.db") != NULL, "%s", s.error);

    rename_in(&place, "away", "in");
    flush_store(store);
    ck_assert_collection(place.uri, STORE_TABLE, "before=1 meanwhile=2");
    store_get_status(store, &s);
    ck_assert(s.connected);
    ck_assert_uint_eq(s.rewrites, 2);
    ck_assert_uint_eq(s.changes, 3);
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(replaced_file_is_noticed_and_swept)
{
    struct place place;
    char other[300];

    file_create(&place);
    snprintf(other, sizeof other, "sqlite:%s/other.db", place.dir);
    struct store *store = start_store(other);
    put_n(store, STORE_TABLE, "a stranger's", 1);
    put_n(store, STORE_CLIENTS, "a stranger's", 1);
    flush_store(store);
    store_close(store);

    store = start_store(place.uri);
    put_n(store, STORE_TABLE, "ours", 2);
    flush_store(store);
    unlink(place.uri + strlen("sqlite:"));
    rename_in(&place, "other.db", "in/rf.db");
    wait_connected(store, false);
    flush_store(store);
    ck_assert_collection(place.uri, STORE_TABLE, "ours=2");
    ck_assert_collection(place.uri, STORE_CLIENTS, "");
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(second_writer_is_named_as_the_trouble)
{
    struct place place;
    struct store_status s;

    file_create(&place);
    struct store *store = start_store(place.uri);
    flush_store(store);
    struct store *other = start_store(place.uri);
    wait_connected(store, false);
    store_get_status(store, &s);
    ck_assert_msg(strstr(s.error, "another process writes") != NULL, "%s", s.error);
    store_close(other);
    put_n(store, STORE_TABLE, "a", 1);
    flush_store(store);
    ck_assert_collection(place.uri, STORE_TABLE, "a=1");
    store_close(store);
    place_destroy(&place);
}
END_TEST

UNIT_MAIN("store/sqlite", unwritable_database_catches_up_when_it_is_writable_again,
          replaced_file_is_noticed_and_swept, second_writer_is_named_as_the_trouble)
