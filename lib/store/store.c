#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "private.h"

#define LOG_MODULE "store"

static const char *const collection_tables[STORE_N_ALL_COLLECTIONS] = {
    [STORE_TABLE] = "rftable",
    [STORE_CONFIG] = "rfconfig",
    [STORE_ISL] = "rfisl",
    [STORE_LINKS] = "rflinks",
    [STORE_DATAPATHS] = "rfdatapaths",
    [STORE_CLIENTS] = "rfclients",
    [STORE_EVENTS] = "rfevents",
    [STORE_MARKER] = "rfstore",
};

static const struct store_backend *const backends[] = {&store_backend_sqlite,
                                                       &store_backend_mongo};

const char *store_collection_table(int collection)
{
    return collection_tables[collection];
}

const char *store_collection_name(enum store_collection collection)
{
    return collection_tables[collection];
}

void store_op_uninit(struct store_op *op)
{
    free(op->id);
    bson_destroy(op->doc);
    *op = (struct store_op){0};
}

bool store_doc_id(const bson_t *doc, char ret_id[STORE_ID_LEN])
{
    bson_iter_t iter;

    if (!bson_iter_init_find(&iter, doc, "_id")) {
        return false;
    }
    if (BSON_ITER_HOLDS_OID(&iter)) {
        bson_oid_to_string(bson_iter_oid(&iter), ret_id);
        return true;
    }
    if (BSON_ITER_HOLDS_UTF8(&iter)) {
        str_copy(ret_id, bson_iter_utf8(&iter, NULL), STORE_ID_LEN);
        return true;
    }
    return false;
}

int64_t store_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void store_wait(struct store *store, pthread_cond_t *cond, int64_t deadline)
{
    struct timespec ts = {.tv_sec = deadline / 1000,
                          .tv_nsec = deadline % 1000 * 1000000};

    pthread_cond_timedwait(cond, &store->lock, &ts);
}

static const struct store_backend *backend_by_uri(const char *uri)
{
    for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
        for (const char *const *scheme = backends[i]->schemes; *scheme; scheme++) {
            if (!strncmp(uri, *scheme, strlen(*scheme))) {
                return backends[i];
            }
        }
    }
    return NULL;
}

/* "mongodb://user:secret@host/db" → "mongodb://host/db", for people to see. */
static void redact_uri(const char *uri, char *ret_text, size_t size)
{
    const char *start = strstr(uri, "://");
    const char *at = start ? strrchr(start, '@') : NULL;

    if (!at) {
        str_copy(ret_text, uri, size);
        return;
    }
    snprintf(ret_text, size, "%.*s%s", (int)(start + 3 - uri), uri, at + 1);
}

static void conds_init(struct store *store)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&store->wake, &attr);
    pthread_cond_init(&store->idle, &attr);
    pthread_condattr_destroy(&attr);
}

int store_open(const char *uri, struct store **ret_store, char *ret_error, size_t size)
{
    const struct store_backend *backend = backend_by_uri(uri);
    char error[STORE_ERROR_LEN] = "";
    void *db = NULL;

    if (!backend) {
        snprintf(ret_error, size,
                 "store \"%s\": expected sqlite:PATH, sqlite::memory: or "
                 "mongodb://HOST[:PORT]/DATABASE",
                 uri);
        return EINVAL;
    }
    int e = backend->check_uri(uri, error);
    if (!e) {
        e = backend->connect(uri, &db, error);
        if (e && backend->remote) {
            e = 0;
        }
    }
    if (e) {
        str_copy(ret_error, error, size);
        return e;
    }

    struct store *store = xcalloc(1, sizeof *store);
    store->backend = backend;
    store->uri = xstrdup(uri);
    store->cache = cache_create();
    store->db = db;
    store->unwritten_since = INT64_MAX;
    store->since = store_now();
    str_copy(store->error, error, sizeof store->error);
    pthread_mutex_init(&store->lock, NULL);
    conds_init(store);
    *ret_store = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store) {
        return;
    }
    if (store->started) {
        pthread_mutex_lock(&store->lock);
        store->stop = true;
        pthread_cond_signal(&store->wake);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->writer, NULL);
    }
    if (store->db) {
        store->backend->close(store->db);
    }
    cache_destroy(store->cache);
    pthread_cond_destroy(&store->wake);
    pthread_cond_destroy(&store->idle);
    pthread_mutex_destroy(&store->lock);
    free(store->uri);
    free(store);
}

int store_load(struct store *store, enum store_collection collection, store_doc_fn *fn,
               void *aux)
{
    char error[STORE_ERROR_LEN];

    if (store->started) {
        return EBUSY;
    }
    if (!store->db) {
        return ENOTCONN;
    }
    int e = store->backend->each(store->db, collection, fn, aux, error);
    if (e) {
        str_copy(store->error, error, sizeof store->error);
        store->backend->close(store->db);
        store->db = NULL;
    }
    return e ? EIO : 0;
}

int store_start(struct store *store)
{
    sigset_t all, before;

    if (store->started) {
        return EALREADY;
    }
    /* Signals are for the event loop's thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&store->writer, NULL, writer_main, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    store->started = !e;
    return e;
}

static bool doc_is_valid(const bson_t *doc);

static bool visit_child(const bson_iter_t *iter, const char *key, const bson_t *child,
                        void *valid)
{
    *(bool *)valid = doc_is_valid(child);
    return !*(bool *)valid;
}

/* Whole, and all its text UTF-8.  (bson_validate() of libbson 1.23 overlooks text that
 * is not.) */
static bool doc_is_valid(const bson_t *doc)
{
    const bson_visitor_t visitor = {.visit_document = visit_child,
                                    .visit_array = visit_child};
    bool valid = true;
    bson_iter_t iter;

    if (!bson_iter_init(&iter, doc)) {
        return false;
    }
    bson_iter_visit_all(&iter, &visitor, &valid);
    return valid && !iter.err_off;
}

/* A copy of `doc` that begins with `id`; NULL, counted, if it cannot be stored. */
static bson_t *keyed_doc(struct store *store, int collection, const char *id,
                         const bson_oid_t *oid, const bson_t *doc)
{
    if (doc->len > STORE_MAX_DOC_SIZE || strlen(id) >= STORE_ID_LEN ||
        !doc_is_valid(doc)) {
        pthread_mutex_lock(&store->lock);
        store->refused++;
        snprintf(store->error, sizeof store->error,
                 "%s %.60s: not stored: %u bytes, expected valid BSON of at most %d",
                 store_collection_table(collection), id, doc->len, STORE_MAX_DOC_SIZE);
        pthread_mutex_unlock(&store->lock);
        return NULL;
    }
    bson_t *keyed = bson_sized_new(doc->len + strlen(id) + 32);
    if (oid) {
        BSON_APPEND_OID(keyed, "_id", oid);
    } else {
        BSON_APPEND_UTF8(keyed, "_id", id);
    }
    bson_concat(keyed, doc);
    return keyed;
}

/* Takes the lock.  The writer waits without end only while there is nothing to do: if
 * there is something, it has set itself a time. */
static void begin_change(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    if (!cache_queued(store->cache)) {
        pthread_cond_signal(&store->wake);
    }
}

void store_put(struct store *store, enum store_collection collection, const char *id,
               const bson_t *doc)
{
    assert(collection != STORE_EVENTS && !bson_has_field(doc, "_id"));
    bson_t *keyed = keyed_doc(store, collection, id, NULL, doc);
    if (!keyed) {
        return;
    }
    begin_change(store);
    cache_put(store->cache, collection, id, keyed, store_now());
    pthread_mutex_unlock(&store->lock);
}

void store_remove(struct store *store, enum store_collection collection, const char *id)
{
    begin_change(store);
    cache_remove(store->cache, collection, id, store_now());
    pthread_mutex_unlock(&store->lock);
}

void store_append_event(struct store *store, const bson_t *doc)
{
    bson_oid_t oid;
    char id[25];

    bson_oid_init(&oid, NULL);
    bson_oid_to_string(&oid, id);
    bson_t *keyed = keyed_doc(store, STORE_EVENTS, id, &oid, doc);
    if (!keyed) {
        return;
    }
    begin_change(store);
    cache_append_event(store->cache, id, keyed, store_now());
    pthread_mutex_unlock(&store->lock);
}

static bool is_idle(const struct store *store)
{
    return store->synced && store->unwritten_since == INT64_MAX &&
           !cache_queued(store->cache);
}

int store_flush(struct store *store, int timeout_ms)
{
    int64_t deadline = store_now() + timeout_ms;

    if (!store->started) {
        return EINVAL;
    }
    pthread_mutex_lock(&store->lock);
    store->flushing++;
    pthread_cond_signal(&store->wake);
    while (!is_idle(store) && store_now() < deadline) {
        store_wait(store, &store->idle, deadline);
    }
    store->flushing--;
    int e = is_idle(store) ? 0 : ETIMEDOUT;
    pthread_mutex_unlock(&store->lock);
    return e;
}

void store_get_status(struct store *store, struct store_status *ret_status)
{
    struct store_status *s = ret_status;

    memset(s, 0, sizeof *s);
    redact_uri(store->uri, s->uri, sizeof s->uri);
    pthread_mutex_lock(&store->lock);
    int64_t oldest = MIN(store->unwritten_since, cache_oldest(store->cache));
    s->connected = store->synced;
    s->changes = store->changes;
    s->since = store->since;
    str_copy(s->error, store->error, sizeof s->error);
    s->documents = cache_documents(store->cache);
    s->queued = cache_queued(store->cache);
    s->oldest_ms = oldest == INT64_MAX ? 0 : MAX(store_now() - oldest, 0);
    s->written = store->written;
    s->batches = store->batches;
    s->rewrites = store->rewrites;
    s->refused = store->refused;
    s->events_lost = cache_events_lost(store->cache);
    pthread_mutex_unlock(&store->lock);
}

void store_log_changes(struct store *store)
{
    struct store_status s;

    store_get_status(store, &s);
    if (s.changes != store->logged_changes) {
        if (!s.connected) {
            log_warn_limited(&store->log_limit,
                             "%s: not connected: %s; routing goes on, %zu changes wait",
                             s.uri, s.error, s.queued);
        } else if (s.error[0]) {
            log_info_limited(&store->log_limit,
                             "%s: up to date with %zu documents, after: %s", s.uri,
                             s.documents, s.error);
        } else {
            log_info("%s: up to date with %zu documents", s.uri, s.documents);
        }
        store->logged_changes = s.changes;
    }
    if (s.refused != store->logged_refused) {
        log_warn("%s: %" PRIu64 " documents were not stored, the last one: %s", s.uri,
                 s.refused - store->logged_refused, s.error);
        store->logged_refused = s.refused;
    }
}
