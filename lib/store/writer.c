/* The writer thread.
 *
 * Away, attaching, synced: without a connection it tries to make one, with growing
 * pauses.  With a new one it sweeps (removes what the database holds and the cache does
 * not), writes all documents that differ, and last a marker with a number that this run
 * alone has; from then on it is synced and writes what changes.  Once a second it looks
 * for the marker.  Any error, or no marker, and it is away again.  Hence there is one
 * way to bring a database up to date, the same after a start, a failure and an emptied
 * database. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/util.h"
#include "private.h"

#define BATCH_OPS 512
#define BATCH_BYTES (1024 * 1024)
/* Before a batch and between two, so that bursts coalesce; and where the database
 * shares the processors, what caused a burst is dealt with before it is written down.
 */
#define BATCH_PAUSE_MS 20
#define CHECK_MS 1000
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
#define PRUNE_EVERY (STORE_MAX_EVENTS / 20)

struct writer {
    struct store *store;
    bson_oid_t run;    /* Of this run alone: in the marker. */
    bool attaching;    /* The marker is not written yet, */
    size_t n_left;     /* because so many operations go first. */
    int64_t retry_ms;  /* Next pause before connecting. */
    int64_t check_at;  /* When to look for the marker. */
    int64_t batch_at;  /* Not before. */
    size_t n_appended; /* Events since the last prune. */
    struct store_op ops[BATCH_OPS];
};

static void writer_lost(struct writer *w, const char *error)
{
    struct store *store = w->store;

    if (store->db) {
        store->backend->close(store->db);
        store->db = NULL;
    }
    pthread_mutex_lock(&store->lock);
    int64_t oldest = MIN(store->unwritten_since, cache_oldest(store->cache));
    cache_detach(store->cache, store_now());
    if (cache_queued(store->cache)) {
        store->unwritten_since = MIN(oldest, store_now());
    }
    if (store->synced || !store->changes) {
        store->changes++;
        store->since = store_now();
    }
    store->synced = false;
    str_copy(store->error, error, sizeof store->error);
    pthread_mutex_unlock(&store->lock);
}

static void writer_pause(struct writer *w)
{
    struct store *store = w->store;
    int64_t until = store_now() + w->retry_ms;

    w->retry_ms = MIN(w->retry_ms * 2, RETRY_MAX_MS);
    pthread_mutex_lock(&store->lock);
    while (!store->stop && store_now() < until) {
        store_wait(store, &store->wake, until);
    }
    pthread_mutex_unlock(&store->lock);
}

struct sweep {
    struct store *store;
    int collection;
    struct store_op *ops;
    size_t n, cap;
};

static void sweep_doc(void *aux, const char *id, const bson_t *doc)
{
    struct sweep *sweep = aux;

    pthread_mutex_lock(&sweep->store->lock);
    bool current = cache_found(sweep->store->cache, sweep->collection, id, doc);
    pthread_mutex_unlock(&sweep->store->lock);
    if (current) {
        return;
    }
    if (sweep->n == sweep->cap) {
        sweep->cap = MAX(64, sweep->cap * 2);
        sweep->ops = xrealloc(sweep->ops, sweep->cap * sizeof *sweep->ops);
    }
    sweep->ops[sweep->n++] =
        (struct store_op){.collection = sweep->collection, .id = xstrdup(id)};
}

/* Removes what is in the database and not in the cache, finds what differs. */
static int writer_sweep(struct writer *w, int collection, char *error)
{
    struct store *store = w->store;
    struct sweep sweep = {.store = store, .collection = collection};
    size_t refused = 0;

    int e = store->backend->each(store->db, collection, sweep_doc, &sweep, error);
    for (size_t i = 0; !e && i < sweep.n; i += BATCH_OPS) {
        e = store->backend->write(store->db, sweep.ops + i, MIN(BATCH_OPS, sweep.n - i),
                                  &refused, error);
    }
    for (size_t i = 0; i < sweep.n; i++) {
        store_op_uninit(&sweep.ops[i]);
    }
    free(sweep.ops);
    return e;
}

/* ENOENT unless the database holds the marker of this run. */
static int writer_find_marker(struct writer *w, char *error)
{
    struct store *store = w->store;
    bson_iter_t iter;
    bson_t *doc;

    int e = store->backend->find(store->db, STORE_MARKER, "writer", &doc, error);
    if (e) {
        return e;
    }
    if (!bson_iter_init_find(&iter, doc, "run") || !BSON_ITER_HOLDS_OID(&iter) ||
        !bson_oid_equal(bson_iter_oid(&iter), &w->run)) {
        snprintf(error, STORE_ERROR_LEN,
                 "another process writes the same database: use one for each rfserver");
        e = ENOENT;
    }
    bson_destroy(doc);
    return e;
}

static int writer_put_marker(struct writer *w, char *error)
{
    char host[64] = "";
    struct timeval now;
    size_t refused;
    bson_t doc = BSON_INITIALIZER;
    struct store_op op = {.collection = STORE_MARKER, .id = "writer", .doc = &doc};

    gethostname(host, sizeof host - 1);
    gettimeofday(&now, NULL);
    BSON_APPEND_UTF8(&doc, "_id", op.id);
    BSON_APPEND_OID(&doc, "run", &w->run);
    BSON_APPEND_UTF8(&doc, "host", host);
    BSON_APPEND_INT32(&doc, "pid", getpid());
    BSON_APPEND_TIMEVAL(&doc, "since", &now);
    int e = w->store->backend->write(w->store->db, &op, 1, &refused, error);
    bson_destroy(&doc);
    return e;
}

/* Connects, if need be, and begins to bring the database up to date. */
static int writer_attach(struct writer *w, char *error)
{
    struct store *store = w->store;
    int e = 0;

    if (!store->db) {
        e = store->backend->connect(store->uri, &store->db, error);
    }
    if (!e) {
        e = writer_find_marker(w, error);
        if (e && e != ENOENT) {
            return e;
        }
        pthread_mutex_lock(&store->lock);
        cache_attach(store->cache, e == ENOENT, store_now());
        pthread_mutex_unlock(&store->lock);
        e = 0;
    }
    for (int c = 0; !e && c < STORE_EVENTS; c++) {
        e = writer_sweep(w, c, error);
    }
    pthread_mutex_lock(&store->lock);
    w->n_left = cache_queued(store->cache);
    pthread_mutex_unlock(&store->lock);
    w->attaching = true;
    w->check_at = store_now() + CHECK_MS;
    w->batch_at = 0;
    w->n_appended = PRUNE_EVERY;
    return e;
}

static int writer_write(struct writer *w, size_t n, char *error)
{
    struct store *store = w->store;
    size_t refused = 0, events = 0;

    int e = store->backend->write(store->db, w->ops, n, &refused, error);
    for (size_t i = 0; i < n; i++) {
        events += w->ops[i].collection == STORE_EVENTS;
        store_op_uninit(&w->ops[i]);
    }
    if (e) {
        return e;
    }
    pthread_mutex_lock(&store->lock);
    cache_confirm(store->cache);
    store->written += n - refused;
    store->batches++;
    if (refused) {
        store->refused += refused;
        str_copy(store->error, error, sizeof store->error);
    }
    pthread_mutex_unlock(&store->lock);
    w->batch_at = store_now() + BATCH_PAUSE_MS;
    w->n_appended += events;
    w->n_left -= MIN(n, w->n_left);
    return 0;
}

/* What else belongs to a database that is up to date. */
static int writer_finish(struct writer *w, char *error)
{
    struct store *store = w->store;

    if (w->n_appended >= PRUNE_EVERY) {
        int e = store->backend->prune(store->db, STORE_EVENTS, STORE_MAX_EVENTS, error);
        if (e) {
            return e;
        }
        w->n_appended = 0;
    }
    if (w->attaching && !w->n_left) {
        int e = writer_put_marker(w, error);
        if (e) {
            return e;
        }
        w->attaching = false;
        w->retry_ms = RETRY_MIN_MS;
        pthread_mutex_lock(&store->lock);
        store->synced = true;
        store->rewrites++;
        store->changes++;
        store->since = store_now();
        pthread_mutex_unlock(&store->lock);
    }
    return 0;
}

/* Waits for something to do and takes it: returns the number of operations, maybe 0. */
static size_t writer_take(struct writer *w, bool *ret_stop)
{
    struct store *store = w->store;
    int64_t since;
    size_t n = 0;

    pthread_mutex_lock(&store->lock);
    while (!store->stop) {
        int64_t now = store_now();
        bool work = cache_queued(store->cache) != 0;
        int64_t batch_at =
            work ? MAX(w->batch_at, cache_oldest(store->cache) + BATCH_PAUSE_MS) : 0;

        if (work && (now >= batch_at || store->flushing || w->attaching)) {
            break;
        }
        if (!work && store->synced) {
            store->unwritten_since = INT64_MAX;
            pthread_cond_broadcast(&store->idle);
        }
        if (now >= w->check_at || (!work && w->attaching)) {
            break;
        }
        store_wait(store, &store->wake, work ? batch_at : w->check_at);
    }
    *ret_stop = store->stop;
    if (!store->stop) {
        n = cache_take(store->cache, w->ops, BATCH_OPS, BATCH_BYTES, &since);
        store->unwritten_since = n ? since : INT64_MAX;
    }
    pthread_mutex_unlock(&store->lock);
    return n;
}

static int writer_step(struct writer *w, bool *ret_stop, char *error)
{
    size_t n = writer_take(w, ret_stop);
    int e = 0;

    error[0] = '\0';
    if (n) {
        e = writer_write(w, n, error);
    }
    if (!e && !*ret_stop && !w->attaching && store_now() >= w->check_at) {
        w->check_at = store_now() + CHECK_MS;
        error[0] = '\0';
        e = writer_find_marker(w, error);
        if (e == ENOENT && !error[0]) {
            snprintf(error, STORE_ERROR_LEN,
                     "the database was emptied or replaced: writing everything again");
        }
    }
    if (!e && !*ret_stop) {
        e = writer_finish(w, error);
    }
    return e;
}

void *writer_main(void *store_)
{
    struct store *store = store_;
    struct writer *w = xcalloc(1, sizeof *w);
    bool stop = false;

    w->store = store;
    w->retry_ms = RETRY_MIN_MS;
    bson_oid_init(&w->run, NULL);
    while (!stop) {
        char error[STORE_ERROR_LEN] = "";

        int e = writer_attach(w, error);
        while (!e && !stop) {
            e = writer_step(w, &stop, error);
        }
        if (e) {
            writer_lost(w, error);
            writer_pause(w);
        }
        pthread_mutex_lock(&store->lock);
        stop = store->stop;
        pthread_mutex_unlock(&store->lock);
    }
    free(w);
    return NULL;
}
