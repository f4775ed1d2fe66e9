/* What must hold with either database: see store_test.h for the choice. */

#include "store_test.h"

#include <errno.h>

#include "base/log.h"

START_TEST(document_is_stored_with_its_id_first)
{
    struct place place;
    place_create(&place, "put");
    struct store *store = start_store(place.uri);

    put_n(store, STORE_TABLE, "0x0000000000000099", 1);
    put_n(store, STORE_LINKS, "0x0000000000000099", 2);
    flush_store(store);
    ck_assert_collection(place.uri, STORE_TABLE, "0x0000000000000099=1");
    ck_assert_collection(place.uri, STORE_LINKS, "0x0000000000000099=2");
    ck_assert_collection(place.uri, STORE_CLIENTS, "");
    store_close(store);
    place_destroy(&place);
}
END_TEST

static void check_types(void *aux, const char *id, const bson_t *doc)
{
    bson_iter_t iter;

    ck_assert(bson_iter_init(&iter, doc) && bson_iter_next(&iter));
    ck_assert_str_eq(bson_iter_key(&iter), "_id");
    ck_assert(BSON_ITER_HOLDS_UTF8(&iter));
    ck_assert(bson_iter_init_find(&iter, doc, "port") && BSON_ITER_HOLDS_INT32(&iter));
    ck_assert(bson_iter_init_find(&iter, doc, "bytes") && BSON_ITER_HOLDS_INT64(&iter));
    ck_assert_int_eq(bson_iter_int64(&iter), INT64_C(1) << 40);
    ck_assert(bson_iter_init_find(&iter, doc, "t") && BSON_ITER_HOLDS_DATE_TIME(&iter));
    ck_assert_int_eq(bson_iter_date_time(&iter), INT64_C(1700000000123));
    ++*(int *)aux;
}

START_TEST(numbers_and_dates_keep_their_types)
{
    struct place place;
    place_create(&place, "types");
    struct store *store = start_store(place.uri);
    int n = 0;

    bson_t doc = BSON_INITIALIZER;
    BSON_APPEND_INT32(&doc, "port", 3);
    BSON_APPEND_INT64(&doc, "bytes", INT64_C(1) << 40);
    BSON_APPEND_DATE_TIME(&doc, "t", INT64_C(1700000000123));
    store_put(store, STORE_DATAPATHS, "0x99", &doc);
    bson_destroy(&doc);
    flush_store(store);
    struct store *reader = open_store(place.uri);
    ck_assert_int_eq(store_load(reader, STORE_DATAPATHS, check_types, &n), 0);
    ck_assert_int_eq(n, 1);
    store_close(reader);
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(removed_document_leaves_the_database)
{
    struct place place;
    place_create(&place, "remove");
    struct store *store = start_store(place.uri);

    put_n(store, STORE_TABLE, "a", 1);
    put_n(store, STORE_TABLE, "b", 2);
    flush_store(store);
    store_remove(store, STORE_TABLE, "a");
    store_remove(store, STORE_TABLE, "never was there");
    flush_store(store);
    ck_assert_collection(place.uri, STORE_TABLE, "b=2");
    put_n(store, STORE_TABLE, "a", 3);
    store_remove(store, STORE_TABLE, "b");
    flush_store(store);
    ck_assert_collection(place.uri, STORE_TABLE, "a=3");
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(puts_of_one_key_coalesce_to_the_last)
{
    struct place place;
    place_create(&place, "coalesce");
    struct store *store = open_store(place.uri);
    struct store_status s;

    for (int i = 0; i <= 1000; i++) {
        put_n(store, STORE_TABLE, "a", i);
    }
    store_get_status(store, &s);
    ck_assert_uint_eq(s.queued, 1);
    ck_assert_uint_eq(s.documents, 1);
    ck_assert_int_eq(store_start(store), 0);
    flush_store(store);
    store_get_status(store, &s);
    ck_assert_uint_eq(s.written, 1);
    ck_assert_uint_eq(s.queued, 0);
    ck_assert_int_eq(s.oldest_ms, 0);

    for (int i = 0; i <= 50000; i++) {
        put_n(store, STORE_TABLE, "a", i);
    }
    flush_store(store);
    store_get_status(store, &s);
    ck_assert_uint_lt(s.written, 25000);
    ck_assert_collection(place.uri, STORE_TABLE, "a=50000");
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(equal_document_is_not_written_again)
{
    struct place place;
    place_create(&place, "equal");
    struct store *store = start_store(place.uri);
    struct store_status s;

    put_n(store, STORE_TABLE, "a", 1);
    flush_store(store);
    put_n(store, STORE_TABLE, "a", 1);
    flush_store(store);
    store_get_status(store, &s);
    ck_assert_uint_eq(s.written, 1);
    ck_assert_uint_eq(s.rewrites, 1);
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(earlier_documents_can_be_loaded_and_are_then_replaced_by_the_present)
{
    struct place place;
    place_create(&place, "reopen");
    struct store *store = start_store(place.uri);

    put_n(store, STORE_TABLE, "gone", 1);
    put_n(store, STORE_TABLE, "stays", 2);
    flush_store(store);
    store_close(store);
    ck_assert_collection(place.uri, STORE_TABLE, "gone=1 stays=2");

    store = open_store(place.uri);
    put_n(store, STORE_TABLE, "stays", 3);
    ck_assert_int_eq(store_start(store), 0);
    flush_store(store);
    struct buf text = {0};
    ck_assert_int_eq(store_load(store, STORE_TABLE, print_doc, &text), EBUSY);
    ck_assert_collection(place.uri, STORE_TABLE, "stays=3");
    store_close(store);
    place_destroy(&place);
}
END_TEST

static void collect_n(void *list, const char *id, const bson_t *doc)
{
    buf_put_u32(list, (uint32_t)doc_n(doc));
}

/* The numbers of all events, which must be consecutive. */
static size_t check_events(const char *uri, uint32_t *ret_first, uint32_t *ret_last)
{
    struct store *reader = open_store(uri);
    struct buf list = {0};
    uint32_t n = 0;

    ck_assert_int_eq(store_load(reader, STORE_EVENTS, collect_n, &list), 0);
    for (size_t i = 0; i + 4 <= list.len; i += 4) {
        uint32_t previous = n;
        n = (uint32_t)list.data[i] << 24 | (uint32_t)list.data[i + 1] << 16 |
            (uint32_t)list.data[i + 2] << 8 | list.data[i + 3];
        if (i) {
            ck_assert_uint_eq(n, previous + 1);
        } else {
            *ret_first = n;
        }
    }
    *ret_last = n;
    size_t count = list.len / 4;
    buf_uninit(&list);
    store_close(reader);
    return count;
}

START_TEST(events_keep_their_order_and_survive_a_restart)
{
    struct place place;
    place_create(&place, "events");
    struct store *store = start_store(place.uri);
    uint32_t first, last;

    for (int i = 0; i < 3000; i++) {
        append_n(store, i);
    }
    flush_store(store);
    store_close(store);
    store = start_store(place.uri);
    for (int i = 3000; i < 3100; i++) {
        append_n(store, i);
    }
    flush_store(store);
    ck_assert_uint_eq(check_events(place.uri, &first, &last), 3100);
    ck_assert_uint_eq(first, 0);
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(only_the_newest_events_stay)
{
    struct place place;
    place_create(&place, "bounded");
    struct store *store = start_store(place.uri);
    struct store_status s;
    uint32_t first, last;
    const int n = STORE_MAX_EVENTS + 2500;

    for (int i = 0; i < n; i++) {
        append_n(store, i);
        if (i % 2000 == 1999) {
            flush_store(store);
        }
    }
    flush_store(store);
    size_t count = check_events(place.uri, &first, &last);
    ck_assert_uint_eq(last, n - 1);
    ck_assert_uint_ge(count, STORE_MAX_EVENTS);
    ck_assert_uint_le(count, STORE_MAX_EVENTS + STORE_MAX_EVENTS / 20);
    store_get_status(store, &s);
    ck_assert_uint_eq(s.events_lost, 0);
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(others_read_while_we_write)
{
    struct place place;
    place_create(&place, "readers");
    struct store *store = start_store(place.uri);
    struct buf text = {0};
    int n = 0;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 200; i++) {
            char id[16];
            snprintf(id, sizeof id, "%d", i);
            put_n(store, STORE_TABLE, id, n++);
        }
        struct store *reader = open_store(place.uri);
        buf_clear(&text);
        ck_assert_int_eq(store_load(reader, STORE_TABLE, print_doc, &text), 0);
        store_close(reader);
    }
    flush_store(store);
    struct store_status s;
    store_get_status(store, &s);
    ck_assert_str_eq(s.error, "");
    ck_assert_uint_eq(s.rewrites, 1);
    buf_uninit(&text);
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(documents_that_cannot_be_stored_are_counted_and_the_rest_goes_on)
{
    struct place place;
    place_create(&place, "refused");
    struct store *store = start_store(place.uri);
    struct store_status s;

    char *big = xcalloc(1, STORE_MAX_DOC_SIZE + 1);
    memset(big, 'x', STORE_MAX_DOC_SIZE);
    bson_t doc = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&doc, "big", big);
    store_put(store, STORE_TABLE, "big", &doc);
    bson_reinit(&doc);
    BSON_APPEND_UTF8(&doc, "not-utf8", "\xff\xfe");
    store_put(store, STORE_TABLE, "worse", &doc);
    bson_reinit(&doc);
    bson_t child;
    BSON_APPEND_DOCUMENT_BEGIN(&doc, "child", &child);
    BSON_APPEND_UTF8(&child, "not-utf8", "\xff\xfe");
    bson_append_document_end(&doc, &child);
    store_put(store, STORE_TABLE, "bad", &doc);
    put_n(store, STORE_TABLE, "good", 1);
    flush_store(store);
    store_get_status(store, &s);
    ck_assert_uint_eq(s.refused, 3);
    ck_assert_msg(strstr(s.error, "rftable bad") != NULL, "%s", s.error);
    ck_assert_collection(place.uri, STORE_TABLE, "good=1");
    bson_destroy(&doc);
    free(big);
    store_close(store);
    place_destroy(&place);
}
END_TEST

START_TEST(flush_of_a_store_that_was_not_started_is_refused)
{
    struct place place;
    place_create(&place, "unstarted");
    struct store *store = open_store(place.uri);

    put_n(store, STORE_TABLE, "a", 1);
    ck_assert_int_eq(store_flush(store, 1000), EINVAL);
    store_close(store);
    place_destroy(&place);
}
END_TEST

/* Makes the database vanish and come back empty: RF_TEST_RESTART is a shell command
 * that ends a server, removes its data and starts it again. */
static void empty_database(const struct place *place)
{
    if (on_mongodb()) {
        ck_assert_int_eq(system(getenv("RF_TEST_RESTART")), 0);
    } else {
        ck_assert_int_eq(unlink(place->uri + strlen("sqlite:")), 0);
    }
}

static void collect_log(void *text, enum log_level level, const char *module,
                        const char *message)
{
    buf_printf(text, "%s %s\n", log_level_name(level), message);
}

START_TEST(emptied_database_is_filled_again)
{
    struct place place;
    uint32_t first, last;
    struct buf log = {0};

    if (on_mongodb() && !getenv("RF_TEST_RESTART")) {
        return; /* Nobody told how to empty that server. */
    }
    log_set_sink(collect_log, &log);
    place_create(&place, "emptied");
    struct store *store = start_store(place.uri);
    put_n(store, STORE_TABLE, "a", 1);
    put_n(store, STORE_TABLE, "b", 2);
    put_n(store, STORE_ISL, "c", 3);
    for (int i = 0; i < 100; i++) {
        append_n(store, i);
    }
    flush_store(store);
    store_log_changes(store);

    empty_database(&place);
    wait_connected(store, false);
    store_log_changes(store);
    store_remove(store, STORE_TABLE, "a");
    append_n(store, 100);
    wait_connected(store, true);
    flush_store(store);
    store_log_changes(store);

    ck_assert_collection(place.uri, STORE_TABLE, "b=2");
    ck_assert_collection(place.uri, STORE_ISL, "c=3");
    ck_assert_uint_eq(check_events(place.uri, &first, &last), 101);
    ck_assert_msg(strstr(buf_cstr(&log), "not connected: ") != NULL, "%s",
                  buf_cstr(&log));
    ck_assert_msg(strstr(buf_cstr(&log), "up to date with 2 documents, after: ") !=
                      NULL,
                  "%s", buf_cstr(&log));
    store_close(store);
    log_set_sink(NULL, NULL);
    buf_uninit(&log);
    place_destroy(&place);
}
END_TEST

UNIT_MAIN("store/store", document_is_stored_with_its_id_first,
          numbers_and_dates_keep_their_types, removed_document_leaves_the_database,
          puts_of_one_key_coalesce_to_the_last, equal_document_is_not_written_again,
          earlier_documents_can_be_loaded_and_are_then_replaced_by_the_present,
          events_keep_their_order_and_survive_a_restart, only_the_newest_events_stay,
          others_read_while_we_write,
          documents_that_cannot_be_stored_are_counted_and_the_rest_goes_on,
          flush_of_a_store_that_was_not_started_is_refused,
          emptied_database_is_filled_again)
