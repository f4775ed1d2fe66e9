/* MongoDB, or what speaks its protocol (FerretDB).  The only file that knows mongoc.h.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mongoc/mongoc.h>

#include "backend.h"
#include "base/util.h"

#define DATABASE "routeflow" /* Unless the URI names another. */

/* Unless the URI has its own: a writer that hangs cannot end with its daemon. */
#define CONNECT_MS 2000
#define SOCKET_MS 4000

/* Updates in one command.  FerretDB 1.24 with SQLite keeps a connection, of the 100 in
 * its pool, for each update until the command ends: it hangs for good with more. */
#define BULK_UPDATES 32

struct db {
    mongoc_client_t *client;
    mongoc_database_t *database;
    mongoc_collection_t *collections[STORE_N_ALL_COLLECTIONS];
};

static void driver_init(void)
{
    mongoc_init();
    /* Its errors reach us as return values; its own log would go to standard error. */
    mongoc_log_set_handler(NULL, NULL);
    atexit(mongoc_cleanup);
}

static int set_error(const bson_error_t *error, int e, char *ret_error)
{
    str_copy(ret_error, error->message, STORE_ERROR_LEN);
    return e;
}

static mongoc_uri_t *parse_uri(const char *uri, char *ret_error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bson_error_t error;

    pthread_once(&once, driver_init);
    mongoc_uri_t *parsed = mongoc_uri_new_with_error(uri, &error);
    if (!parsed) {
        snprintf(ret_error, STORE_ERROR_LEN,
                 "store: %.120s; expected mongodb://HOST[:PORT]/DATABASE, for example "
                 "mongodb://127.0.0.1:27017/" DATABASE,
                 error.message);
    }
    return parsed;
}

static int mongo_check_uri(const char *uri, char *ret_error)
{
    mongoc_uri_t *parsed = parse_uri(uri, ret_error);

    if (!parsed) {
        return EINVAL;
    }
    mongoc_uri_destroy(parsed);
    return 0;
}

static void set_default(mongoc_uri_t *uri, const char *option, int32_t value)
{
    if (!mongoc_uri_has_option(uri, option)) {
        mongoc_uri_set_option_as_int32(uri, option, value);
    }
}

static void mongo_close(void *db_)
{
    struct db *db = db_;

    for (int c = 0; c < STORE_N_ALL_COLLECTIONS; c++) {
        mongoc_collection_destroy(db->collections[c]);
    }
    mongoc_database_destroy(db->database);
    mongoc_client_destroy(db->client);
    free(db);
}

/* A new client each time: one of its own kind waits 5 s before it tries a server again
 * that did not answer. */
static int mongo_connect(const char *uri_text, void **ret_db, char *ret_error)
{
    mongoc_uri_t *uri = parse_uri(uri_text, ret_error);
    bson_error_t error;

    if (!uri) {
        return EINVAL;
    }
    set_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, CONNECT_MS);
    set_default(uri, MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_MS);
    set_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_MS);
    const char *name = mongoc_uri_get_database(uri);
    mongoc_client_t *client = mongoc_client_new_from_uri_with_error(uri, &error);
    if (!client) {
        mongoc_uri_destroy(uri);
        return set_error(&error, EINVAL, ret_error);
    }
    mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);

    struct db *db = xcalloc(1, sizeof *db);
    db->client = client;
    db->database = mongoc_client_get_database(client, name && *name ? name : DATABASE);
    for (int c = 0; c < STORE_N_ALL_COLLECTIONS; c++) {
        db->collections[c] =
            mongoc_database_get_collection(db->database, store_collection_table(c));
    }
    mongoc_uri_destroy(uri);

    bson_t *ping = BCON_NEW("ping", BCON_INT32(1));
    bool ok = mongoc_database_command_simple(db->database, ping, NULL, NULL, &error);
    bson_destroy(ping);
    if (!ok) {
        mongo_close(db);
        return set_error(&error, ENOTCONN, ret_error);
    }
    *ret_db = db;
    return 0;
}

/* {"_id": as in the document, or the id} */
static void make_selector(const struct store_op *op, bson_t *ret_selector)
{
    bson_iter_t iter;

    bson_init(ret_selector);
    if (op->doc && bson_iter_init_find(&iter, op->doc, "_id")) {
        bson_append_iter(ret_selector, "_id", -1, &iter);
    } else {
        BSON_APPEND_UTF8(ret_selector, "_id", op->id);
    }
}

static bool bulk_add(mongoc_bulk_operation_t *bulk, const struct store_op *op,
                     bool insert, bson_error_t *error)
{
    bson_t selector, upsert = BSON_INITIALIZER;
    bool ok;

    if (insert) {
        return mongoc_bulk_operation_insert_with_opts(bulk, op->doc, NULL, error);
    }
    make_selector(op, &selector);
    if (op->doc) {
        BSON_APPEND_BOOL(&upsert, "upsert", true);
        ok = mongoc_bulk_operation_replace_one_with_opts(bulk, &selector, op->doc,
                                                         &upsert, error);
    } else {
        ok = mongoc_bulk_operation_remove_one_with_opts(bulk, &selector, NULL, error);
    }
    bson_destroy(&selector);
    bson_destroy(&upsert);
    return ok;
}

/* What became of a bulk operation, apart from success. */
struct outcome {
    size_t refused;    /* Documents that the database will never take. */
    size_t duplicates; /* Insertions of what is there already. */
};

/* Counts the errors about single documents; false if there are none. */
static bool count_errors(const bson_t *reply, struct outcome *outcome)
{
    bson_iter_t iter, item, code;
    size_t n = 0;

    if (!bson_iter_init_find(&iter, reply, "writeErrors") ||
        !bson_iter_recurse(&iter, &item)) {
        return false;
    }
    for (; bson_iter_next(&item); n++) {
        if (bson_iter_recurse(&item, &code) && bson_iter_find(&code, "code") &&
            bson_iter_as_int64(&code) == MONGOC_ERROR_DUPLICATE_KEY) {
            outcome->duplicates++;
        } else {
            outcome->refused++;
        }
    }
    return n != 0;
}

/* Does what of ops[*i...] belongs to `collection`, as much as fits, and moves *i. */
static int write_bulk(struct db *db, int collection, bool may_insert,
                      const struct store_op *ops, size_t n, size_t *i,
                      struct outcome *outcome, char *ret_error)
{
    bson_t opts = BSON_INITIALIZER, reply = BSON_INITIALIZER;
    size_t n_added = 0, n_updates = 0;
    bson_error_t error;
    int e = 0;

    BSON_APPEND_BOOL(&opts, "ordered", false);
    mongoc_bulk_operation_t *bulk = mongoc_collection_create_bulk_operation_with_opts(
        db->collections[collection], &opts);
    for (; *i < n && n_updates < BULK_UPDATES; ++*i) {
        const struct store_op *op = &ops[*i];
        if (op->collection != collection) {
            continue;
        }
        bool insert = may_insert && op->doc && op->fresh;
        if (bulk_add(bulk, op, insert, &error)) {
            n_added++;
            n_updates += !insert;
        } else {
            outcome->refused++;
            str_copy(ret_error, error.message, STORE_ERROR_LEN);
        }
    }
    if (n_added) {
        bson_destroy(&reply);
        if (!mongoc_bulk_operation_execute(bulk, &reply, &error)) {
            bool single =
                error.domain == MONGOC_ERROR_SERVER && count_errors(&reply, outcome);
            e = single ? 0 : EIO;
            str_copy(ret_error, error.message, STORE_ERROR_LEN);
        }
    }
    bson_destroy(&reply);
    bson_destroy(&opts);
    mongoc_bulk_operation_destroy(bulk);
    return e;
}

/* Inserts what is new, since FerretDB 1.24 with SQLite reads a whole collection for
 * each update; if it turns out not to be new, replaces it. */
static int write_collection(struct db *db, int collection, const struct store_op *ops,
                            size_t n, size_t *refused, char *ret_error)
{
    bool may_insert = true;
    int e = 0;

    for (size_t i = 0; !e && i < n;) {
        struct outcome outcome = {0};
        size_t start = i;
        e = write_bulk(db, collection, may_insert, ops, n, &i, &outcome, ret_error);
        /* An event is never changed: one that is there already was written by an
         * attempt whose answer was lost. */
        if (!e && may_insert && outcome.duplicates && collection != STORE_EVENTS) {
            may_insert = false;
            i = start;
        } else {
            *refused += outcome.refused;
        }
    }
    return e;
}

static int mongo_write(void *db, const struct store_op *ops, size_t n,
                       size_t *ret_refused, char *ret_error)
{
    size_t refused = 0;
    int e = 0;

    for (int c = 0; !e && c < STORE_N_ALL_COLLECTIONS; c++) {
        e = write_collection(db, c, ops, n, &refused, ret_error);
    }
    if (!e) {
        *ret_refused = refused;
    }
    return e;
}

static int mongo_each(void *db_, int collection, store_doc_fn *fn, void *aux,
                      char *ret_error)
{
    struct db *db = db_;
    bson_t all = BSON_INITIALIZER;
    char id[STORE_ID_LEN];
    bson_error_t error;
    const bson_t *doc;
    int e = 0;

    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}");
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(db->collections[collection], &all, opts, NULL);
    while (mongoc_cursor_next(cursor, &doc)) {
        if (store_doc_id(doc, id)) {
            fn(aux, id, doc);
        }
    }
    if (mongoc_cursor_error(cursor, &error)) {
        e = set_error(&error, EIO, ret_error);
    }
    mongoc_cursor_destroy(cursor);
    bson_destroy(opts);
    bson_destroy(&all);
    return e;
}

/* The first document that a query finds, or ENOENT. */
static int find_first(struct db *db, int collection, const bson_t *filter,
                      const bson_t *opts, bson_t **ret_doc, char *ret_error)
{
    bson_error_t error;
    const bson_t *doc;
    int e = 0;

    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(
        db->collections[collection], filter, opts, NULL);
    if (mongoc_cursor_next(cursor, &doc)) {
        *ret_doc = bson_copy(doc);
    } else if (mongoc_cursor_error(cursor, &error)) {
        e = set_error(&error, EIO, ret_error);
    } else {
        e = ENOENT;
    }
    mongoc_cursor_destroy(cursor);
    return e;
}

static int mongo_find(void *db, int collection, const char *id, bson_t **ret_doc,
                      char *ret_error)
{
    bson_t *filter = BCON_NEW("_id", BCON_UTF8(id));

    int e = find_first(db, collection, filter, NULL, ret_doc, ret_error);
    bson_destroy(filter);
    return e;
}

static int mongo_prune(void *db_, int collection, size_t keep, char *ret_error)
{
    struct db *db = db_;
    bson_t all = BSON_INITIALIZER, filter = BSON_INITIALIZER, range;
    bson_error_t error;
    bson_iter_t id;
    bson_t *newest;

    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}", "skip",
                            BCON_INT64((int64_t)keep), "limit", BCON_INT64(1));
    int e = find_first(db, collection, &all, opts, &newest, ret_error);
    bson_destroy(opts);
    if (e) {
        return e == ENOENT ? 0 : e;
    }
    if (bson_iter_init_find(&id, newest, "_id")) {
        BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &range);
        bson_append_iter(&range, "$lte", -1, &id);
        bson_append_document_end(&filter, &range);
        if (!mongoc_collection_delete_many(db->collections[collection], &filter, NULL,
                                           NULL, &error)) {
            e = set_error(&error, EIO, ret_error);
        }
    }
    bson_destroy(newest);
    bson_destroy(&filter);
    return e;
}

const struct store_backend store_backend_mongo = {
    .schemes = (const char *const[]){"mongodb://", "mongodb+srv://", NULL},
    .remote = true,
    .check_uri = mongo_check_uri,
    .connect = mongo_connect,
    .close = mongo_close,
    .write = mongo_write,
    .each = mongo_each,
    .find = mongo_find,
    .prune = mongo_prune,
};
