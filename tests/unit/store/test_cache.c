/* The queue of what is to be written, against a plain model: whatever happens, what was
 * taken and confirmed adds up to what is current. */

#include "unit.h"

#include <string.h>

#include "../../../lib/store/cache.h"

#define N_IDS 20
#define MAX_OPS 8

static bson_t *doc_of(int n)
{
    bson_t *doc = bson_new();

    BSON_APPEND_INT32(doc, "n", n);
    return doc;
}

static int n_of(const bson_t *doc)
{
    bson_iter_t iter;

    ck_assert(bson_iter_init_find(&iter, doc, "n"));
    return bson_iter_int32(&iter);
}

static size_t take(struct cache *cache, int *database)
{
    struct store_op ops[MAX_OPS];
    int64_t since;

    size_t n = cache_take(cache, ops, MAX_OPS, 1 << 20, &since);
    for (size_t i = 0; i < n; i++) {
        database[atoi(ops[i].id)] = ops[i].doc ? n_of(ops[i].doc) : 0;
        store_op_uninit(&ops[i]);
    }
    return n;
}

START_TEST(database_follows_any_sequence_of_changes_and_losses)
{
    int current[N_IDS] = {0}, database[N_IDS] = {0};
    struct cache *cache = cache_create();
    unsigned seed = 1;
    char id[8];

    cache_attach(cache, true, 0);
    for (int step = 1; step <= 200000; step++) {
        int k = rand_r(&seed) % N_IDS;
        int dice = rand_r(&seed) % 100;
        snprintf(id, sizeof id, "%d", k);
        if (dice < 40) {
            current[k] = step;
            cache_put(cache, STORE_TABLE, id, doc_of(step), step);
        } else if (dice < 70) {
            current[k] = 0;
            cache_remove(cache, STORE_TABLE, id, step);
        } else if (dice < 95) {
            take(cache, database);
            cache_confirm(cache);
        } else if (dice < 98) {
            int lost[N_IDS];
            take(cache, lost); /* Never reaches the database. */
            cache_detach(cache, step);
        } else {
            /* Contact again, and the sweep. */
            cache_attach(cache, false, step);
            for (int i = 0; i < N_IDS; i++) {
                snprintf(id, sizeof id, "%d", i);
                bson_t *doc = doc_of(database[i]);
                if (database[i] && !cache_found(cache, STORE_TABLE, id, doc)) {
                    database[i] = 0;
                }
                bson_destroy(doc);
            }
            while (take(cache, database)) {
                cache_confirm(cache);
            }
            ck_assert_mem_eq(current, database, sizeof current);
            ck_assert_uint_eq(cache_queued(cache), 0);
            ck_assert_int_eq(cache_oldest(cache), INT64_MAX);
        }
        size_t n = 0;
        for (int i = 0; i < N_IDS; i++) {
            n += current[i] != 0;
        }
        ck_assert_uint_eq(cache_documents(cache), n);
    }
    cache_destroy(cache);
}
END_TEST

START_TEST(removals_while_away_take_no_memory)
{
    struct cache *cache = cache_create();
    char id[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "%d", i);
        cache_put(cache, STORE_TABLE, id, doc_of(i), 0);
        cache_remove(cache, STORE_TABLE, id, 0);
    }
    ck_assert_uint_eq(cache_queued(cache), 0);
    ck_assert_uint_eq(cache_documents(cache), 0);
    cache_destroy(cache);
}
END_TEST

START_TEST(events_that_were_not_confirmed_are_taken_again)
{
    struct cache *cache = cache_create();
    struct store_op ops[MAX_OPS];
    int64_t since;

    cache_attach(cache, true, 0);
    for (int i = 0; i < 6; i++) {
        cache_append_event(cache, (char[]){'0' + i, 0}, doc_of(i), 100 + i);
    }
    const char *const expected[] = {"0123", "45", "45", "0123"};
    for (size_t round = 0; round < ARRAY_SIZE(expected); round++) {
        size_t n = cache_take(cache, ops, MAX_OPS, 1 << 20, &since);
        ck_assert_uint_eq(n, strlen(expected[round]));
        ck_assert_int_eq(since, 100 + expected[round][0] - '0');
        for (size_t i = 0; i < n; i++) {
            ck_assert_int_eq(ops[i].id[0], expected[round][i]);
            ck_assert_int_eq(ops[i].collection, STORE_EVENTS);
            store_op_uninit(&ops[i]);
        }
        if (round == 0) {
            cache_confirm(cache);
        } else if (round == 1) {
            cache_detach(cache, 200); /* Not known to have been written. */
            cache_attach(cache, false, 200);
        } else {
            cache_confirm(cache);
            cache_attach(cache, true, 200); /* An empty database. */
        }
    }
    cache_destroy(cache);
}
END_TEST

START_TEST(batch_is_bounded_in_bytes_and_has_room_for_documents_besides_events)
{
    struct cache *cache = cache_create();
    struct store_op ops[MAX_OPS];
    int64_t since;
    char id[8];

    cache_attach(cache, true, 0);
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%d", i);
        cache_append_event(cache, id, doc_of(i), 0);
        cache_put(cache, STORE_TABLE, id, doc_of(i), 0);
    }
    size_t n = cache_take(cache, ops, MAX_OPS, 1 << 20, &since), events = 0;
    ck_assert_uint_eq(n, MAX_OPS);
    for (size_t i = 0; i < n; i++) {
        events += ops[i].collection == STORE_EVENTS;
        store_op_uninit(&ops[i]);
    }
    ck_assert_uint_eq(events, MAX_OPS / 2);
    n = cache_take(cache, ops, MAX_OPS, 1, &since);
    ck_assert_uint_eq(n, 1);
    store_op_uninit(&ops[0]);
    cache_destroy(cache);
}
END_TEST

UNIT_MAIN("store/cache", database_follows_any_sequence_of_changes_and_losses,
          removals_while_away_take_no_memory,
          events_that_were_not_confirmed_are_taken_again,
          batch_is_bounded_in_bytes_and_has_room_for_documents_besides_events)
