#ifndef STORE_TEST_H
#define STORE_TEST_H 1

/* What the tests of lib/store share.  They run on a new SQLite file each, or, if
 * RF_TEST_MONGODB is set to mongodb://HOST:PORT, on a new database of that server. With
 * RF_TEST_DIR the SQLite files are made in that directory, and stay. */

#include "unit.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/store.h"

struct place {
    char dir[128];
    char uri[224];
};

static inline bool on_mongodb(void)
{
    return getenv("RF_TEST_MONGODB") != NULL;
}

static inline void place_create(struct place *place, const char *name)
{
    if (getenv("RF_TEST_DIR")) {
        str_copy(place->dir, getenv("RF_TEST_DIR"), sizeof place->dir);
    } else {
        strcpy(place->dir, "/tmp/rf-store-test.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(place->dir));
    }
    if (on_mongodb()) {
        snprintf(place->uri, sizeof place->uri, "%s/rftest_%s_%d",
                 getenv("RF_TEST_MONGODB"), name, getpid());
    } else {
        snprintf(place->uri, sizeof place->uri, "sqlite:%s/%s.db", place->dir, name);
    }
}

static inline int place_unlink(const char *path, const struct stat *st, int type,
                               struct FTW *ftw)
{
    return remove(path);
}

static inline void place_destroy(struct place *place)
{
    if (!getenv("RF_TEST_DIR")) {
        nftw(place->dir, place_unlink, 8, FTW_DEPTH | FTW_PHYS);
    }
}

static inline struct store *open_store(const char *uri)
{
    char error[STORE_ERROR_LEN] = "";
    struct store *store;

    int e = store_open(uri, &store, error, sizeof error);
    ck_assert_msg(!e, "%s", error);
    return store;
}

static inline struct store *start_store(const char *uri)
{
    struct store *store = open_store(uri);

    ck_assert_int_eq(store_start(store), 0);
    return store;
}

static inline void flush_store(struct store *store)
{
    int e = store_flush(store, 20000);

    if (e) {
        struct store_status s;
        store_get_status(store, &s);
        ck_abort_msg("flush: %s; connected %d, queued %zu, error \"%s\"", strerror(e),
                     s.connected, s.queued, s.error);
    }
}

/* Puts {"n": n} as `id`. */
static inline void put_n(struct store *store, enum store_collection c, const char *id,
                         int n)
{
    bson_t doc = BSON_INITIALIZER;

    BSON_APPEND_INT32(&doc, "n", n);
    store_put(store, c, id, &doc);
    bson_destroy(&doc);
}

static inline void append_n(struct store *store, int n)
{
    bson_t doc = BSON_INITIALIZER;

    BSON_APPEND_INT32(&doc, "n", n);
    store_append_event(store, &doc);
    bson_destroy(&doc);
}

static inline int doc_n(const bson_t *doc)
{
    bson_iter_t iter;

    ck_assert(bson_iter_init_find(&iter, doc, "n"));
    return bson_iter_int32(&iter);
}

static inline void print_doc(void *text, const char *id, const bson_t *doc)
{
    buf_printf(text, "%s%s=%d", ((struct buf *)text)->len ? " " : "", id, doc_n(doc));
}

/* "id=n id=n" of a collection, as another process sees it. */
static inline void ck_assert_collection(const char *uri, enum store_collection c,
                                        const char *expected)
{
    struct store *reader = open_store(uri);
    struct buf text = {0};

    ck_assert_int_eq(store_load(reader, c, print_doc, &text), 0);
    ck_assert_str_eq(buf_cstr(&text), expected);
    buf_uninit(&text);
    store_close(reader);
}

/* Until `store` is connected or not, as told. */
static inline void wait_connected(struct store *store, bool connected)
{
    struct store_status s;

    for (int i = 0; i < 3000; i++) {
        store_get_status(store, &s);
        if (s.connected == connected) {
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    ck_abort_msg("connected is %d after 30 s, error \"%s\"", s.connected, s.error);
}

#endif
