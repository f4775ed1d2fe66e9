#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H 1

/* What a database must be able to do, and no more.  Everything about queues, retries,
 * threads and what is current lives above, once for all databases; everything about one
 * database lives in its backend_*.c, the only file that includes its client's header.
 *
 * A handle is used by one thread at a time.  Functions return 0 or a positive errno,
 * and then a sentence in ret_error[STORE_ERROR_LEN].  After an error from anything but
 * find() the caller closes the handle and connects anew. */

#include "store/store.h"

/* Of our own, besides the public ones: tells an emptied database from ours. */
#define STORE_MARKER STORE_N_COLLECTIONS
#define STORE_N_ALL_COLLECTIONS (STORE_MARKER + 1)

struct store_op {
    int collection;
    char *id;    /* As text, also where "_id" is something else. */
    bson_t *doc; /* Starts with "_id"; NULL removes. */
    bool fresh;  /* The database does not hold it yet, as far as is known. */
};

struct store_backend {
    const char *const *schemes; /* "sqlite:", ends with NULL. */

    /* True if a database that cannot be reached may come back by itself, so that
     * starting without it makes sense. */
    bool remote;

    /* EINVAL for a bad `uri`, never connects. */
    int (*check_uri)(const char *uri, char *ret_error);

    /* Connects and creates what is missing. */
    int (*connect)(const char *uri, void **ret_db, char *ret_error);
    void (*close)(void *db);

    /* Does all of ops[n], each (collection, id) at most once, in one go.  Documents
     * that the database refuses for good are left out and counted, with a text. */
    int (*write)(void *db, const struct store_op *ops, size_t n, size_t *ret_refused,
                 char *ret_error);

    /* All documents of a collection, in the order of "_id" or of insertion. */
    int (*each)(void *db, int collection, store_doc_fn *, void *aux, char *ret_error);

    /* ENOENT if there is no such document; otherwise the caller frees *ret_doc. */
    int (*find)(void *db, int collection, const char *id, bson_t **ret_doc,
                char *ret_error);

    /* Removes all but the newest `keep` documents. */
    int (*prune)(void *db, int collection, size_t keep, char *ret_error);
};

extern const struct store_backend store_backend_sqlite;
extern const struct store_backend store_backend_mongo;

/* As store_collection_name(), for all STORE_N_ALL_COLLECTIONS. */
const char *store_collection_table(int collection);

void store_op_uninit(struct store_op *);

/* "_id" of `doc` as text, a string or an ObjectId; false for anything else. */
#define STORE_ID_LEN 256
bool store_doc_id(const bson_t *doc, char ret_id[STORE_ID_LEN]);

#endif
